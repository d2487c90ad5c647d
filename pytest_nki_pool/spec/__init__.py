"""What is to be computed: cases, data, goldens and acceptance."""
