"""`python -m watchword`: the command line, where the installed script is not on the path."""

from watchword.cli.main import main

main()
