"""What was felt and what ought to have been heard in; a mapping from the one to the other, and how good it is, out."""
