"""`python -m tunec`, which is what the console script `tunec` does."""

from tunec.start import main

main()
