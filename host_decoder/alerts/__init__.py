"""What a person wants to be told, once when it begins and once when it is over."""
