"""The processes that this project adds to Lava, and faster models of stock ones.

Lava's compiler imports and runs every module in the folder of a Process class, so nothing else may live here.
"""
