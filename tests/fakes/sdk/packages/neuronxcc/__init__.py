"""Stand-in for the Neuron compiler's package, of which only `neuronxcc.nki` is of interest."""
