"""The machine: Neuron devices found, leased and watched; knows neither pytest nor a framework."""
