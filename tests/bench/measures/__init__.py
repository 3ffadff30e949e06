"""What is measured: slices by name, and the table that says which ratio of them is which measure."""
