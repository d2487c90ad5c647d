"""What the stand-ins of the SDK share: computing with the emulator, carrying arrays, and failing when told to."""
