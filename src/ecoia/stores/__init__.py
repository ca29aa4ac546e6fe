"""Where records of all instances meet and stay. The ledger's day file is here; what holds it is a module each."""
