"""Programs measured from outside: ``ecoia run``, ``ecoia watch``, and the control groups of a host.

``run_command`` and ``watch`` are the two commands, ``outside`` makes recorders of processes seen from outside. ``targets``
finds what ``ecoia watch`` names, ``watch_registry`` lets each target have one watcher. ``control_groups`` follows the groups
that the rules of ``group_rules`` map to services.
"""
