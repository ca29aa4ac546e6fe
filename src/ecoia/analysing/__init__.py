"""What a program gets in hand: results and rows as pandas frames, ``ecoia.read``.

It reads what the commands read, from the same sources, and says on stderr what they say.
"""
