"""python -m inflor"""

from inflor.cli import main

main()
