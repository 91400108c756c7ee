-- A registry as version 1 of the schema left it: three servers, two users, calls, a test run, a log. It is never changed.
CREATE TABLE schema_version (version BIGINT NOT NULL);
CREATE TABLE users (
    owner TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('admin', 'developer', 'viewer')),
    max_servers BIGINT NOT NULL,
    requests_per_minute BIGINT NOT NULL,
    max_spec_bytes BIGINT NOT NULL,
    -- Counts what changed in the catalogue of this owner.
    revision BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE TABLE servers (
    -- Unique per factory: it is part of a URL.
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (owner),
    latest TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    UNIQUE (owner, name)
);
CREATE TABLE versions (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The order in which they were made.
    sequence BIGINT NOT NULL,
    digest TEXT NOT NULL,
    spec TEXT NOT NULL,
    title TEXT,
    description TEXT,
    auth TEXT NOT NULL,
    tools BIGINT NOT NULL,
    -- What keeps it from being deployed, as far as the language says so.
    blockers BIGINT NOT NULL,
    -- Where its files are, if they are not in the factory's own folder for it.
    folder TEXT,
    created BIGINT NOT NULL,
    PRIMARY KEY (owner, server, version),
    UNIQUE (owner, server, sequence),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);
CREATE TABLE tags (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (owner, server, tag),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);
CREATE TABLE tools (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    title TEXT,
    description TEXT NOT NULL,
    schema TEXT NOT NULL,
    PRIMARY KEY (owner, server, position),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);
CREATE TABLE dependencies (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('secret', 'connection', 'server')),
    name TEXT NOT NULL,
    PRIMARY KEY (owner, server, version, kind, name),
    FOREIGN KEY (owner, server, version) REFERENCES versions (owner, server, version) ON DELETE CASCADE
);
CREATE TABLE deployments (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    target TEXT NOT NULL,
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
    state TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The version to go back to if this one does not become healthy.
    fallback TEXT,
    -- Of the instance of `fallback`, while it serves.
    fallback_generation BIGINT,
    generation BIGINT NOT NULL,
    launched BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    problem TEXT,
    endpoint TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (owner, server),
    FOREIGN KEY (owner, server, version) REFERENCES versions (owner, server, version) ON DELETE CASCADE
);
CREATE TABLE calls (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    -- Days since 1970, in UTC.
    day BIGINT NOT NULL,
    -- The upper end of a class of latencies in milliseconds.
    latency BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (owner, server, tool, day, latency),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);
CREATE TABLE test_runs (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,
    test TEXT NOT NULL,
    tool TEXT NOT NULL,
    passed BIGINT NOT NULL,
    input TEXT NOT NULL,
    output TEXT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (owner, id),
    FOREIGN KEY (owner, server, version) REFERENCES versions (owner, server, version) ON DELETE CASCADE
);
CREATE TABLE audit (
    owner TEXT NOT NULL,
    -- In the order of time.
    id TEXT NOT NULL,
    -- Who did it: the owner, or an admin.
    actor TEXT NOT NULL,
    token TEXT,
    verb TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (owner, id)
);
CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Of what was asked with it.
    digest TEXT NOT NULL,
    answer TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE TABLE secrets (
    owner TEXT NOT NULL REFERENCES users (owner),
    -- Empty for the owner's own, else whose it is among the owner's callers.
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Tells which key it is sealed with.
    key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (owner, subject, name)
);
CREATE TABLE grants (
    owner TEXT NOT NULL REFERENCES users (owner),
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (owner, kind, value)
);
CREATE TABLE factory_keys (
    name TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    sealed TEXT NOT NULL
);
CREATE TABLE mcp_tokens (
            id TEXT PRIMARY KEY,
            revision BIGINT NOT NULL,
            document TEXT -- null: removed
        );
CREATE TABLE mcp_token_secrets (hash TEXT PRIMARY KEY, token TEXT NOT NULL);
CREATE TABLE mcp_token_state (
            only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
            revision BIGINT NOT NULL,
            oldest BIGINT NOT NULL,
            key_fingerprint TEXT
        );
CREATE INDEX tags_by_word ON tags (owner, tag);
CREATE INDEX dependencies_by_name ON dependencies (owner, kind, name);
CREATE INDEX test_runs_of_server ON test_runs (owner, server, id);
CREATE INDEX audit_by_time ON audit (id);
CREATE INDEX mcp_tokens_revision ON mcp_tokens (revision);
CREATE INDEX mcp_token_secrets_token ON mcp_token_secrets (token);
INSERT INTO schema_version VALUES (1);
INSERT INTO users VALUES ('local', 'admin', 130, 600, 1048576, 241, 1795283551531, 1795283551555);
INSERT INTO users VALUES ('jane', 'viewer', 3, 60, 1000, 1, 1763700000000, 1763700000000);
INSERT INTO servers VALUES ('server-0', 'local', '1.0.0', 1795283551664, 1795283551664);
INSERT INTO servers VALUES ('server-1', 'local', '1.0.0', 1795283551787, 1795283551787);
INSERT INTO servers VALUES ('server-2', 'local', '1.0.0', 1795283551862, 1795283551862);
INSERT INTO versions VALUES ('local', 'server-0', '1.0.0', 1, '05228d2cae5a646d05d339b2c3cd6ad574488d252a1fbe67e43e4b6ebec584ba', '{"name":"server-0","version":"1.0.0","title":"Inventory","description":"Products and stock of a shop","instructions":"Search first; the other tools take the SKU that a search gives. Ask before you change stock.","tags":["shop","stock"],"connections":[{"name":"inventory_db","type":"sqlite","path":"./inventory.db","seed":"./seed.sql"}],"tools":[{"name":"search_products","title":"Search products","description":"Search products by name, SKU, or category","parameters":{"query":{"type":"string","minLength":1,"maxLength":200,"description":"A part of the name, or a whole SKU","required":true},"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"maxPrice":{"type":"number","exclusiveMinimum":0,"description":"At most this price"}},"returns":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"sku":{"type":"string"},"name":{"type":"string"},"category":{"type":"string"},"price":{"type":"number"},"stock":{"type":"integer"}}}},"connection":"inventory_db","sql":"SELECT id, sku, name, category, price, stock FROM products\nWHERE (LOWER(name) LIKE ''%'' || LOWER(:query) || ''%'' OR sku = :query)\n  [[ AND category = :category ]]\n  [[ AND price <= :maxPrice ]]\n","paginate":{},"sort":{"name":"name, id","cheapest":"price, id","newest":"id DESC"},"annotations":{"readOnly":true},"examples":[{"name":"finds a laptop by a part of its name","arguments":{"query":"laptop","category":"electronics"},"expect":{"items":[{"name":"Laptop 13"}]}},{"name":"finds by SKU","arguments":{"query":"ENB-101"},"expect":{"items":[{"sku":"ENB-101","name":"Laptop 13"}]}},{"name":"finds nothing for what is not there","arguments":{"query":"zeppelin"},"expect":{"items":[]}}]},{"name":"get_product","title":"Product","description":"A product by its SKU, with its supplier","parameters":{"sku":{"type":"string","description":"The SKU, such as ENB-101","required":true}},"returns":{"type":"object","properties":{"sku":{"type":"string"},"name":{"type":"string"},"category":{"type":"string"},"price":{"type":"number"},"stock":{"type":"integer"},"reorder_level":{"type":"integer"},"supplier":{"type":"string"},"delivery_days":{"type":"integer"}},"required":["sku","name","price","stock"]},"connection":"inventory_db","sql":"SELECT p.sku, p.name, p.category, p.price, p.stock, p.reorder_level, c.supplier, c.delivery_days\nFROM products p JOIN categories c ON c.name = p.category\nWHERE p.sku = :sku\n","single":true,"annotations":{"readOnly":true},"examples":[{"arguments":{"sku":"ENB-101"},"expect":{"name":"Laptop 13","supplier":"Baltic Components"}},{"name":"says that there is no such product","arguments":{"sku":"NOPE-1"},"isError":true}]},{"name":"get_stock_level","description":"How many pieces of a product are in stock, and whether it should be ordered","parameters":{"sku":{"type":"string","description":"The SKU","required":true}},"connection":"inventory_db","sql":"SELECT sku, stock, reorder_level, CASE WHEN stock <= reorder_level THEN ''order'' ELSE ''enough'' END AS advice\nFROM products WHERE sku = :sku\n","single":true,"annotations":{"readOnly":true},"examples":[{"arguments":{"sku":"ENB-101"},"expect":{"sku":"ENB-101"}}]},{"name":"low_stock","description":"Products at or below their reorder level, the emptiest first","parameters":{"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"}},"connection":"inventory_db","sql":"SELECT sku, name, category, stock, reorder_level FROM products\nWHERE stock <= reorder_level [[ AND category = :category ]]\nORDER BY stock, sku\n","paginate":{"pageSize":20},"annotations":{"readOnly":true},"examples":[{"arguments":{"category":"food"},"schema":{"type":"object","properties":{"items":{"type":"array","minItems":1}},"required":["items"]}}]},{"name":"list_categories","description":"The categories with their suppliers, and how many products and pieces each has","connection":"inventory_db","sql":"SELECT c.name, c.supplier, c.delivery_days, COUNT(*) AS products, SUM(p.stock) AS pieces\nFROM categories c JOIN products p ON p.category = c.name\nGROUP BY c.name, c.supplier, c.delivery_days ORDER BY c.name\n","annotations":{"readOnly":true},"examples":[{"expect":{"items":[{"name":"clothing"},{"name":"electronics"},{"name":"food"}]}}]},{"name":"update_inventory","title":"Set stock","description":"Set the stock of a product","parameters":{"sku":{"type":"string","description":"The SKU","required":true},"quantity":{"type":"integer","minimum":0,"maximum":1000000,"description":"Pieces in stock from now on","required":true}},"connection":"inventory_db","sql":"UPDATE products SET stock = :quantity WHERE sku = :sku RETURNING sku, name, stock","single":true,"annotations":{"destructive":true,"idempotent":true},"examples":[{"arguments":{"sku":"ENB-101","quantity":5},"expect":{"sku":"ENB-101","stock":5}},{"name":"refuses a negative stock","arguments":{"sku":"ENB-101","quantity":-1},"isError":true}]},{"name":"opening_hours","description":"When the warehouse takes orders","static":{"json":{"monday_to_friday":"07:00-19:00","saturday":"08:00-14:00","sunday":"closed","timezone":"Europe/Berlin"}},"annotations":{"readOnly":true},"examples":[{"expect":{"sunday":"closed"}}]}],"resources":[{"uri":"doc://returns","name":"Returns policy","mimeType":"text/markdown","text":"# Returns\nThirty days, unused, in the original packaging. Food can''t be returned.\n"},{"uriTemplate":"product://{sku}","name":"A product","description":"A product by its SKU","mimeType":"application/json","connection":"inventory_db","sql":"SELECT sku, name, category, price, stock FROM products WHERE sku = :sku"}],"prompts":[{"name":"restock","title":"Plan an order","description":"Checks the stock of a product and proposes an order","arguments":[{"name":"sku","description":"The SKU","required":true}],"messages":[{"role":"user","text":"Check the stock of {sku} with get_stock_level and propose an order that lasts a month."}]}],"limits":{"ratePerPrincipal":"none","concurrency":"none"},"environments":{"postgres":{"connections":{"inventory_db":{"type":"postgresql","envVar":"DATABASE_URL"}}}}}', 'Inventory', 'Products and stock of a shop', 'none', 7, 0, '/srv/inventory', 1795283551664);
INSERT INTO versions VALUES ('local', 'server-1', '1.0.0', 1, 'fbe0c4d7d3507526967c57e74f73885ffa0f8efc3008859c76e78c53896adca7', '{"name":"server-1","version":"1.0.0","title":"Inventory","description":"Products and stock of a shop","instructions":"Search first; the other tools take the SKU that a search gives. Ask before you change stock.","tags":["shop","stock"],"connections":[{"name":"inventory_db","type":"sqlite","path":"./inventory.db","seed":"./seed.sql"}],"tools":[{"name":"search_products","title":"Search products","description":"Search products by name, SKU, or category","parameters":{"query":{"type":"string","minLength":1,"maxLength":200,"description":"A part of the name, or a whole SKU","required":true},"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"maxPrice":{"type":"number","exclusiveMinimum":0,"description":"At most this price"}},"returns":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"sku":{"type":"string"},"name":{"type":"string"},"category":{"type":"string"},"price":{"type":"number"},"stock":{"type":"integer"}}}},"connection":"inventory_db","sql":"SELECT id, sku, name, category, price, stock FROM products\nWHERE (LOWER(name) LIKE ''%'' || LOWER(:query) || ''%'' OR sku = :query)\n  [[ AND category = :category ]]\n  [[ AND price <= :maxPrice ]]\n","paginate":{},"sort":{"name":"name, id","cheapest":"price, id","newest":"id DESC"},"annotations":{"readOnly":true},"examples":[{"name":"finds a laptop by a part of its name","arguments":{"query":"laptop","category":"electronics"},"expect":{"items":[{"name":"Laptop 13"}]}},{"name":"finds by SKU","arguments":{"query":"ENB-101"},"expect":{"items":[{"sku":"ENB-101","name":"Laptop 13"}]}},{"name":"finds nothing for what is not there","arguments":{"query":"zeppelin"},"expect":{"items":[]}}]},{"name":"get_product","title":"Product","description":"A product by its SKU, with its supplier","parameters":{"sku":{"type":"string","description":"The SKU, such as ENB-101","required":true}},"returns":{"type":"object","properties":{"sku":{"type":"string"},"name":{"type":"string"},"category":{"type":"string"},"price":{"type":"number"},"stock":{"type":"integer"},"reorder_level":{"type":"integer"},"supplier":{"type":"string"},"delivery_days":{"type":"integer"}},"required":["sku","name","price","stock"]},"connection":"inventory_db","sql":"SELECT p.sku, p.name, p.category, p.price, p.stock, p.reorder_level, c.supplier, c.delivery_days\nFROM products p JOIN categories c ON c.name = p.category\nWHERE p.sku = :sku\n","single":true,"annotations":{"readOnly":true},"examples":[{"arguments":{"sku":"ENB-101"},"expect":{"name":"Laptop 13","supplier":"Baltic Components"}},{"name":"says that there is no such product","arguments":{"sku":"NOPE-1"},"isError":true}]},{"name":"get_stock_level","description":"How many pieces of a product are in stock, and whether it should be ordered","parameters":{"sku":{"type":"string","description":"The SKU","required":true}},"connection":"inventory_db","sql":"SELECT sku, stock, reorder_level, CASE WHEN stock <= reorder_level THEN ''order'' ELSE ''enough'' END AS advice\nFROM products WHERE sku = :sku\n","single":true,"annotations":{"readOnly":true},"examples":[{"arguments":{"sku":"ENB-101"},"expect":{"sku":"ENB-101"}}]},{"name":"low_stock","description":"Products at or below their reorder level, the emptiest first","parameters":{"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"}},"connection":"inventory_db","sql":"SELECT sku, name, category, stock, reorder_level FROM products\nWHERE stock <= reorder_level [[ AND category = :category ]]\nORDER BY stock, sku\n","paginate":{"pageSize":20},"annotations":{"readOnly":true},"examples":[{"arguments":{"category":"food"},"schema":{"type":"object","properties":{"items":{"type":"array","minItems":1}},"required":["items"]}}]},{"name":"list_categories","description":"The categories with their suppliers, and how many products and pieces each has","connection":"inventory_db","sql":"SELECT c.name, c.supplier, c.delivery_days, COUNT(*) AS products, SUM(p.stock) AS pieces\nFROM categories c JOIN products p ON p.category = c.name\nGROUP BY c.name, c.supplier, c.delivery_days ORDER BY c.name\n","annotations":{"readOnly":true},"examples":[{"expect":{"items":[{"name":"clothing"},{"name":"electronics"},{"name":"food"}]}}]},{"name":"update_inventory","title":"Set stock","description":"Set the stock of a product","parameters":{"sku":{"type":"string","description":"The SKU","required":true},"quantity":{"type":"integer","minimum":0,"maximum":1000000,"description":"Pieces in stock from now on","required":true}},"connection":"inventory_db","sql":"UPDATE products SET stock = :quantity WHERE sku = :sku RETURNING sku, name, stock","single":true,"annotations":{"destructive":true,"idempotent":true},"examples":[{"arguments":{"sku":"ENB-101","quantity":5},"expect":{"sku":"ENB-101","stock":5}},{"name":"refuses a negative stock","arguments":{"sku":"ENB-101","quantity":-1},"isError":true}]},{"name":"opening_hours","description":"When the warehouse takes orders","static":{"json":{"monday_to_friday":"07:00-19:00","saturday":"08:00-14:00","sunday":"closed","timezone":"Europe/Berlin"}},"annotations":{"readOnly":true},"examples":[{"expect":{"sunday":"closed"}}]}],"resources":[{"uri":"doc://returns","name":"Returns policy","mimeType":"text/markdown","text":"# Returns\nThirty days, unused, in the original packaging. Food can''t be returned.\n"},{"uriTemplate":"product://{sku}","name":"A product","description":"A product by its SKU","mimeType":"application/json","connection":"inventory_db","sql":"SELECT sku, name, category, price, stock FROM products WHERE sku = :sku"}],"prompts":[{"name":"restock","title":"Plan an order","description":"Checks the stock of a product and proposes an order","arguments":[{"name":"sku","description":"The SKU","required":true}],"messages":[{"role":"user","text":"Check the stock of {sku} with get_stock_level and propose an order that lasts a month."}]}],"limits":{"ratePerPrincipal":"none","concurrency":"none"},"environments":{"postgres":{"connections":{"inventory_db":{"type":"postgresql","envVar":"DATABASE_URL"}}}}}', 'Inventory', 'Products and stock of a shop', 'none', 7, 0, '/srv/inventory', 1795283551787);
INSERT INTO versions VALUES ('local', 'server-2', '1.0.0', 1, '0effa9abc1f87bd1aee61dab2df4eb94391d833fa159b91a8df2331cd16088cd', '{"name":"server-2","version":"1.0.0","title":"Inventory","description":"Products and stock of a shop","instructions":"Search first; the other tools take the SKU that a search gives. Ask before you change stock.","tags":["shop","stock"],"connections":[{"name":"inventory_db","type":"sqlite","path":"./inventory.db","seed":"./seed.sql"}],"tools":[{"name":"search_products","title":"Search products","description":"Search products by name, SKU, or category","parameters":{"query":{"type":"string","minLength":1,"maxLength":200,"description":"A part of the name, or a whole SKU","required":true},"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"maxPrice":{"type":"number","exclusiveMinimum":0,"description":"At most this price"}},"returns":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"sku":{"type":"string"},"name":{"type":"string"},"category":{"type":"string"},"price":{"type":"number"},"stock":{"type":"integer"}}}},"connection":"inventory_db","sql":"SELECT id, sku, name, category, price, stock FROM products\nWHERE (LOWER(name) LIKE ''%'' || LOWER(:query) || ''%'' OR sku = :query)\n  [[ AND category = :category ]]\n  [[ AND price <= :maxPrice ]]\n","paginate":{},"sort":{"name":"name, id","cheapest":"price, id","newest":"id DESC"},"annotations":{"readOnly":true},"examples":[{"name":"finds a laptop by a part of its name","arguments":{"query":"laptop","category":"electronics"},"expect":{"items":[{"name":"Laptop 13"}]}},{"name":"finds by SKU","arguments":{"query":"ENB-101"},"expect":{"items":[{"sku":"ENB-101","name":"Laptop 13"}]}},{"name":"finds nothing for what is not there","arguments":{"query":"zeppelin"},"expect":{"items":[]}}]},{"name":"get_product","title":"Product","description":"A product by its SKU, with its supplier","parameters":{"sku":{"type":"string","description":"The SKU, such as ENB-101","required":true}},"returns":{"type":"object","properties":{"sku":{"type":"string"},"name":{"type":"string"},"category":{"type":"string"},"price":{"type":"number"},"stock":{"type":"integer"},"reorder_level":{"type":"integer"},"supplier":{"type":"string"},"delivery_days":{"type":"integer"}},"required":["sku","name","price","stock"]},"connection":"inventory_db","sql":"SELECT p.sku, p.name, p.category, p.price, p.stock, p.reorder_level, c.supplier, c.delivery_days\nFROM products p JOIN categories c ON c.name = p.category\nWHERE p.sku = :sku\n","single":true,"annotations":{"readOnly":true},"examples":[{"arguments":{"sku":"ENB-101"},"expect":{"name":"Laptop 13","supplier":"Baltic Components"}},{"name":"says that there is no such product","arguments":{"sku":"NOPE-1"},"isError":true}]},{"name":"get_stock_level","description":"How many pieces of a product are in stock, and whether it should be ordered","parameters":{"sku":{"type":"string","description":"The SKU","required":true}},"connection":"inventory_db","sql":"SELECT sku, stock, reorder_level, CASE WHEN stock <= reorder_level THEN ''order'' ELSE ''enough'' END AS advice\nFROM products WHERE sku = :sku\n","single":true,"annotations":{"readOnly":true},"examples":[{"arguments":{"sku":"ENB-101"},"expect":{"sku":"ENB-101"}}]},{"name":"low_stock","description":"Products at or below their reorder level, the emptiest first","parameters":{"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"}},"connection":"inventory_db","sql":"SELECT sku, name, category, stock, reorder_level FROM products\nWHERE stock <= reorder_level [[ AND category = :category ]]\nORDER BY stock, sku\n","paginate":{"pageSize":20},"annotations":{"readOnly":true},"examples":[{"arguments":{"category":"food"},"schema":{"type":"object","properties":{"items":{"type":"array","minItems":1}},"required":["items"]}}]},{"name":"list_categories","description":"The categories with their suppliers, and how many products and pieces each has","connection":"inventory_db","sql":"SELECT c.name, c.supplier, c.delivery_days, COUNT(*) AS products, SUM(p.stock) AS pieces\nFROM categories c JOIN products p ON p.category = c.name\nGROUP BY c.name, c.supplier, c.delivery_days ORDER BY c.name\n","annotations":{"readOnly":true},"examples":[{"expect":{"items":[{"name":"clothing"},{"name":"electronics"},{"name":"food"}]}}]},{"name":"update_inventory","title":"Set stock","description":"Set the stock of a product","parameters":{"sku":{"type":"string","description":"The SKU","required":true},"quantity":{"type":"integer","minimum":0,"maximum":1000000,"description":"Pieces in stock from now on","required":true}},"connection":"inventory_db","sql":"UPDATE products SET stock = :quantity WHERE sku = :sku RETURNING sku, name, stock","single":true,"annotations":{"destructive":true,"idempotent":true},"examples":[{"arguments":{"sku":"ENB-101","quantity":5},"expect":{"sku":"ENB-101","stock":5}},{"name":"refuses a negative stock","arguments":{"sku":"ENB-101","quantity":-1},"isError":true}]},{"name":"opening_hours","description":"When the warehouse takes orders","static":{"json":{"monday_to_friday":"07:00-19:00","saturday":"08:00-14:00","sunday":"closed","timezone":"Europe/Berlin"}},"annotations":{"readOnly":true},"examples":[{"expect":{"sunday":"closed"}}]}],"resources":[{"uri":"doc://returns","name":"Returns policy","mimeType":"text/markdown","text":"# Returns\nThirty days, unused, in the original packaging. Food can''t be returned.\n"},{"uriTemplate":"product://{sku}","name":"A product","description":"A product by its SKU","mimeType":"application/json","connection":"inventory_db","sql":"SELECT sku, name, category, price, stock FROM products WHERE sku = :sku"}],"prompts":[{"name":"restock","title":"Plan an order","description":"Checks the stock of a product and proposes an order","arguments":[{"name":"sku","description":"The SKU","required":true}],"messages":[{"role":"user","text":"Check the stock of {sku} with get_stock_level and propose an order that lasts a month."}]}],"limits":{"ratePerPrincipal":"none","concurrency":"none"},"environments":{"postgres":{"connections":{"inventory_db":{"type":"postgresql","envVar":"DATABASE_URL"}}}}}', 'Inventory', 'Products and stock of a shop', 'none', 7, 0, '/srv/inventory', 1795283551862);
INSERT INTO tags VALUES ('local', 'server-0', 'shop');
INSERT INTO tags VALUES ('local', 'server-0', 'stock');
INSERT INTO tags VALUES ('local', 'server-1', 'shop');
INSERT INTO tags VALUES ('local', 'server-1', 'stock');
INSERT INTO tags VALUES ('local', 'server-2', 'shop');
INSERT INTO tags VALUES ('local', 'server-2', 'stock');
INSERT INTO tools VALUES ('local', 'server-0', 0, 'search_products', 'Search products', 'Search products by name, SKU, or category', '{"type":"object","properties":{"query":{"type":"string","minLength":1,"maxLength":200,"description":"A part of the name, or a whole SKU"},"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"maxPrice":{"type":"number","exclusiveMinimum":0,"description":"At most this price"},"sort":{"type":"string","enum":["name","cheapest","newest"],"default":"name"},"cursor":{"type":"string","description":"Where to go on: `nextCursor` of the page before."}},"required":["query"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-0', 1, 'get_product', 'Product', 'A product by its SKU, with its supplier', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU, such as ENB-101"}},"required":["sku"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-0', 2, 'get_stock_level', NULL, 'How many pieces of a product are in stock, and whether it should be ordered', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU"}},"required":["sku"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-0', 3, 'low_stock', NULL, 'Products at or below their reorder level, the emptiest first', '{"type":"object","properties":{"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"cursor":{"type":"string","description":"Where to go on: `nextCursor` of the page before."}},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-0', 4, 'list_categories', NULL, 'The categories with their suppliers, and how many products and pieces each has', '{"type":"object","properties":{},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-0', 5, 'update_inventory', 'Set stock', 'Set the stock of a product', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU"},"quantity":{"type":"integer","minimum":0,"maximum":1000000,"description":"Pieces in stock from now on"}},"required":["sku","quantity"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-0', 6, 'opening_hours', NULL, 'When the warehouse takes orders', '{"type":"object","properties":{},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-1', 0, 'search_products', 'Search products', 'Search products by name, SKU, or category', '{"type":"object","properties":{"query":{"type":"string","minLength":1,"maxLength":200,"description":"A part of the name, or a whole SKU"},"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"maxPrice":{"type":"number","exclusiveMinimum":0,"description":"At most this price"},"sort":{"type":"string","enum":["name","cheapest","newest"],"default":"name"},"cursor":{"type":"string","description":"Where to go on: `nextCursor` of the page before."}},"required":["query"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-1', 1, 'get_product', 'Product', 'A product by its SKU, with its supplier', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU, such as ENB-101"}},"required":["sku"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-1', 2, 'get_stock_level', NULL, 'How many pieces of a product are in stock, and whether it should be ordered', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU"}},"required":["sku"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-1', 3, 'low_stock', NULL, 'Products at or below their reorder level, the emptiest first', '{"type":"object","properties":{"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"cursor":{"type":"string","description":"Where to go on: `nextCursor` of the page before."}},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-1', 4, 'list_categories', NULL, 'The categories with their suppliers, and how many products and pieces each has', '{"type":"object","properties":{},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-1', 5, 'update_inventory', 'Set stock', 'Set the stock of a product', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU"},"quantity":{"type":"integer","minimum":0,"maximum":1000000,"description":"Pieces in stock from now on"}},"required":["sku","quantity"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-1', 6, 'opening_hours', NULL, 'When the warehouse takes orders', '{"type":"object","properties":{},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-2', 0, 'search_products', 'Search products', 'Search products by name, SKU, or category', '{"type":"object","properties":{"query":{"type":"string","minLength":1,"maxLength":200,"description":"A part of the name, or a whole SKU"},"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"maxPrice":{"type":"number","exclusiveMinimum":0,"description":"At most this price"},"sort":{"type":"string","enum":["name","cheapest","newest"],"default":"name"},"cursor":{"type":"string","description":"Where to go on: `nextCursor` of the page before."}},"required":["query"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-2', 1, 'get_product', 'Product', 'A product by its SKU, with its supplier', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU, such as ENB-101"}},"required":["sku"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-2', 2, 'get_stock_level', NULL, 'How many pieces of a product are in stock, and whether it should be ordered', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU"}},"required":["sku"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-2', 3, 'low_stock', NULL, 'Products at or below their reorder level, the emptiest first', '{"type":"object","properties":{"category":{"type":"string","enum":["electronics","clothing","food"],"description":"Only this category"},"cursor":{"type":"string","description":"Where to go on: `nextCursor` of the page before."}},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-2', 4, 'list_categories', NULL, 'The categories with their suppliers, and how many products and pieces each has', '{"type":"object","properties":{},"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-2', 5, 'update_inventory', 'Set stock', 'Set the stock of a product', '{"type":"object","properties":{"sku":{"type":"string","description":"The SKU"},"quantity":{"type":"integer","minimum":0,"maximum":1000000,"description":"Pieces in stock from now on"}},"required":["sku","quantity"],"additionalProperties":false}');
INSERT INTO tools VALUES ('local', 'server-2', 6, 'opening_hours', NULL, 'When the warehouse takes orders', '{"type":"object","properties":{},"additionalProperties":false}');
INSERT INTO dependencies VALUES ('local', 'server-0', '1.0.0', 'secret', 'DATABASE_URL');
INSERT INTO dependencies VALUES ('local', 'server-1', '1.0.0', 'secret', 'DATABASE_URL');
INSERT INTO dependencies VALUES ('local', 'server-2', '1.0.0', 'secret', 'DATABASE_URL');
INSERT INTO dependencies VALUES ('local', 'server-2', '1.0.0', 'server', 'server-0');
INSERT INTO deployments VALUES ('local', 'server-0', 'local', 'running', 'running', '1.0.0', NULL, NULL, 2, 2, 0, NULL, 'http://127.0.0.1:8080/servers/server-0/mcp', 1795283572419, 1795283598148);
INSERT INTO deployments VALUES ('local', 'server-1', 'local', 'running', 'running', '1.0.0', NULL, NULL, 2, 2, 0, NULL, 'http://127.0.0.1:8080/servers/server-1/mcp', 1795283572431, 1795283598087);
INSERT INTO deployments VALUES ('local', 'server-2', 'local', 'stopped', 'stopped', '1.0.0', NULL, NULL, 2, 2, 0, NULL, NULL, 1795283572439, 1795283599517);
INSERT INTO calls VALUES ('local', 'server-0', 'get_product', 20778, 1, 5994, 0, 641919);
INSERT INTO calls VALUES ('local', 'server-0', 'get_product', 20778, 2, 2, 0, 3346);
INSERT INTO calls VALUES ('local', 'server-0', 'get_product', 20778, 5, 3, 0, 12700);
INSERT INTO calls VALUES ('local', 'server-0', 'get_product', 20778, 10, 2, 0, 18052);
INSERT INTO calls VALUES ('local', 'server-0', 'get_product', 20400, 25, 7, 1, 120000);
INSERT INTO test_runs VALUES ('local', '018f00000000000000000000000a', 'server-0', '1.0.0', 'finds', 'get_product', 1, '{}', '{}', 900);
INSERT INTO audit VALUES ('local', '01a1ff3d053f0000000062eae928', 'local', NULL, 'tokens.issue', 'cli-5166ad41', 'done');
INSERT INTO audit VALUES ('local', '01a1ff3d0544000001bc194c1c35', 'local', NULL, 'users.change', 'local', 'done');
INSERT INTO audit VALUES ('local', '01a1ff3d05b00000028f7961c450', 'local', NULL, 'servers.create', 'server-0', 'done');
INSERT INTO audit VALUES ('local', '01a1ff3d062b00000376bcd9afb8', 'local', NULL, 'servers.create', 'server-1', 'done');
INSERT INTO audit VALUES ('local', '01a1ff3d06760000042965c5a253', 'local', NULL, 'servers.create', 'server-2', 'done');
INSERT INTO audit VALUES ('local', '01a1ff3d56c300007a2f13d8eda1', 'local', NULL, 'servers.deploy', 'server-0', 'done');
INSERT INTO audit VALUES ('local', '01a1ff3d56cf00007ba86ae9837b', 'local', NULL, 'servers.deploy', 'server-1', 'done');
INSERT INTO audit VALUES ('local', '01a1ff3d56d700007c06b2bc92c0', 'local', NULL, 'servers.deploy', 'server-2', 'done');
INSERT INTO idempotency VALUES ('local', 'key-1', 'abc', '{"outcome":"created","server":"server-0"}', 4102444800000);
INSERT INTO grants VALUES ('jane', 'environment', 'HOME', 'local', 1763700000000);
INSERT INTO factory_keys VALUES ('api-tokens', '5632f9e42470b9b8', 'Nhz0FP4J8ckcuxYgoVWnuApp6x2pXvYR/SkMIEpVhLzk4oXYOoCwyKo68EEuKBMsW7+S0+L5BkRgqqR4PGoeWYQd3o7q+a9E');
INSERT INTO mcp_tokens VALUES ('local/cli-5166ad41', 2, '{"principal":"local","tenant":"local","groups":[],"scopes":["admin"],"claims":{},"secrets":[{"hash":"JLKYp/Ysdj8R339hLkTjyyL20PAZbeicabQKnaiZvkE=","expires_at":null}],"expires_at":null,"rate":null,"concurrency":null}');
INSERT INTO mcp_token_secrets VALUES ('JLKYp/Ysdj8R339hLkTjyyL20PAZbeicabQKnaiZvkE=', 'local/cli-5166ad41');
INSERT INTO mcp_token_state VALUES (1, 3, 0, 'UOLcK+pexDonddRAOtCTZfXBMTT4cQunb5UyjExlImE=');
