"""Services in rooms: the loop that obeys the keeper of each."""
