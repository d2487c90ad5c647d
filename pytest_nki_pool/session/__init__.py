"""What one process of a run knows: the kernels, the machine, the plan, and the workbench its trials run on."""
