"""Programs measured from outside: ``ecoia run``, ``ecoia watch``, and the control groups of a host."""
