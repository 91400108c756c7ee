#!/usr/bin/env python3
"""Writes the comparison's SQLite table: hotels(id, name, city), 1,000 rows."""
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
db.execute("DROP TABLE IF EXISTS hotels")
db.execute("CREATE TABLE hotels (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL)")
db.executemany("INSERT INTO hotels VALUES (?, ?, ?)", [(i, f"Hotel number {i}", f"City {i % 50}") for i in range(1, 1001)])
db.commit()
