"""The catalogue of exports, one file each, with the `.sql` file of its query beside it."""
