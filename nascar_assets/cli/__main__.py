"""`python -m nascar_assets.cli`: the same as `nascar`."""

from nascar_assets.cli import main

main()
