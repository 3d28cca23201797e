"""Parts of screens: each shows what it is handed and knows no storage."""
