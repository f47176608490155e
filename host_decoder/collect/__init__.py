"""Pictures that nodes kept, sorted into folders that a person labels by renaming them."""
