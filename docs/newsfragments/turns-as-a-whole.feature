What changes in one turn of a primary is on the backup all together or not at all, however much it is: a call never without what was told of it.
