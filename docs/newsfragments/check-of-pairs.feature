``twistd sipcluster check`` tells of a node that is in two pairs, of two pairs with one lock file, and of a member whose certificate does not carry its name.
