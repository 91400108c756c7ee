CREATE TABLE hotels (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL, city VARCHAR(100) NOT NULL, stars INT, price DECIMAL(10,2), opened VARCHAR(10));
INSERT INTO hotels (id, name, city, stars, price, opened) VALUES
  (1, 'Grand Hotel', 'Basel', 5, 310.50, '2024-01-01'), (2, 'The Grand Inn', 'Zürich', 3, 120, '2024-02-01'),
  (3, 'Pension Rhein', 'Basel', NULL, 80.25, '2024-03-01'), (4, 'Alps and More', 'Bern', 4, NULL, '2023-03-01');
CREATE TABLE rooms (id INT PRIMARY KEY, hotel_id INT NOT NULL REFERENCES hotels (id), beds INT);
INSERT INTO rooms (id, hotel_id, beds) VALUES (1, 1, 2), (2, 1, 1), (3, 2, 2);
