"""Programs that are not part of the installed package: `python -m tools.PART.NAME`, from the checkout."""
