"""Programs measured from outside: ``ecoia run``, ``ecoia watch``, and the control groups of a host.

``run_command`` and ``watch`` are the two commands, ``outside`` makes recorders of processes seen from outside. ``watch_target``
finds the target of ``ecoia watch``, ``watch_registry`` makes sure that it has only one watcher. ``control_groups`` follows
the groups that the rules of ``group_rules`` map to services; ``rule_file`` reads rules and names of pods again when they
change, ``group_tree`` lists the groups of the host.
"""
