"""Loading volumes into instances of a server: readers, units of work, what is done already, and the sending."""
