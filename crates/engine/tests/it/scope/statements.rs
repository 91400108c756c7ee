//! Statements at random over `products`, `orders` (whose rows belong to somebody) and `kinds`: most nearly right, some right.

use mcp_factory_spec::sql::Dialect;

/// Bytes that decide; when there are no more, the first choice is taken, which ends.
pub fn written_by(choices: &[u8], dialect: Dialect) -> String {
    let mut writer = Writer { choices: choices.iter(), dialect, tables: 0 };
    writer.statement()
}

struct Writer<'a> {
    choices: std::slice::Iter<'a, u8>,
    dialect: Dialect,
    tables: usize,
}

const TABLES: [&str; 5] = ["products", "orders", "kinds", "Products", "products"];

impl Writer<'_> {
    fn pick(&mut self, of: usize) -> usize {
        self.choices.next().map_or(0, |byte| usize::from(*byte) % of)
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.pick(many) == many - 1
    }

    fn text_type(&self) -> &'static str {
        if self.dialect == Dialect::Mysql { "CHAR" } else { "TEXT" }
    }

    fn statement(&mut self) -> String {
        let mysql = self.dialect == Dialect::Mysql;
        match self.pick(12) {
            0..=3 => self.query(3, &[]),
            4 => {
                let set = ["UNION", "UNION ALL", "EXCEPT", "INTERSECT"][self.pick(4)];
                format!("{} {set} {}", self.query(2, &[]), self.query(2, &[]))
            }
            5 => {
                let name = ["c", "products", "kinds"][self.pick(3)];
                let body = self.query(1, &[]);
                let from = self.query(1, &[]);
                format!("WITH {name} AS ({body}) SELECT {name}.name FROM {name} UNION ALL {from}")
            }
            6 | 7 => {
                let table = TABLES[self.pick(5)];
                let names = [table.to_owned()];
                let set = self.assignment(&names);
                let condition = self.scoping(&names, 2);
                if self.one_in(3) && !mysql {
                    let (from, mut others, _) = self.tables(1);
                    others.push(table.to_owned());
                    let condition = self.scoping(&others, 2);
                    return format!("UPDATE {table} SET {set} FROM {from} WHERE {condition}");
                }
                if self.one_in(2) && mysql {
                    let (from, others, _) = self.tables(2);
                    let condition = self.scoping(&others, 2);
                    return format!("UPDATE {from} SET {}.name = 'x' WHERE {condition}", others[0]);
                }
                let returning = if self.one_in(2) && !mysql { " RETURNING name" } else { "" };
                format!("UPDATE {table} SET {set} WHERE {condition}{returning}")
            }
            8 => {
                let table = TABLES[self.pick(5)];
                if self.one_in(3) && self.dialect == Dialect::Postgres {
                    let (from, mut others, _) = self.tables(1);
                    others.push(table.to_owned());
                    return format!("DELETE FROM {table} USING {from} WHERE {}", self.scoping(&others, 2));
                }
                let condition = self.scoping(&[table.to_owned()], 2);
                format!("DELETE FROM {table} WHERE {condition}")
            }
            9 => {
                let owner = self.value();
                let conflict = match self.pick(4) {
                    1 if mysql => " ON DUPLICATE KEY UPDATE name = 'x'".to_owned(),
                    2 if !mysql => {
                        let condition = self.scoping(&["products".to_owned()], 1);
                        format!(" ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE {condition}")
                    }
                    3 if !mysql => " ON CONFLICT (id) DO UPDATE SET owner = :principal.id".to_owned(),
                    _ => String::new(),
                };
                format!("INSERT INTO products (id, owner, name) VALUES (:id, {owner}, 'x'){conflict}")
            }
            10 => {
                let owner = self.value();
                let (from, names, _) = self.tables(1);
                let condition = self.scoping(&names, 2);
                format!(
                    "INSERT INTO orders (owner, id, name) SELECT {owner}, 9, max({}.name) FROM {from} WHERE {condition}",
                    names[0]
                )
            }
            _ => {
                let verb = if mysql { "REPLACE" } else { "INSERT" };
                format!(
                    "{verb} INTO kinds (id, owner, name) SELECT 50, 'x', max(q.name) FROM ({}) q",
                    self.query(2, &[])
                )
            }
        }
    }

    fn value(&mut self) -> &'static str {
        [":principal.id", ":principal.id", "'bobs'", ":to", "COALESCE(:to, :principal.id)"][self.pick(5)]
    }

    fn assignment(&mut self, names: &[String]) -> String {
        match self.pick(5) {
            0 | 1 => "name = 'x'".to_owned(),
            2 => format!("owner = {}", self.value()),
            3 => format!("name = ({})", self.query(1, names)),
            _ => "id = id + 10, name = :to".to_owned(),
        }
    }

    /// FROM, what its tables are called, and which of them WHERE speaks about: perhaps not of those that an ON does.
    fn tables(&mut self, most: usize) -> (String, Vec<String>, Vec<String>) {
        let mut text = String::new();
        let mut names: Vec<String> = Vec::new();
        let mut open: Vec<String> = Vec::new();
        for number in 0..=self.pick(most) {
            let before = names.clone();
            let (factor, name) = self.factor();
            names.push(name);
            if number == 0 {
                text = factor;
                open = names.clone();
                continue;
            }
            let joins = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "CROSS JOIN", ",", "FULL JOIN"];
            let join = joins[self.pick(if self.dialect == Dialect::Mysql { 5 } else { 6 })];
            text = match join {
                "," | "CROSS JOIN" => {
                    open.extend(names.last().cloned());
                    format!("{text} {join} {factor}")
                }
                _ => {
                    if !self.one_in(2) {
                        open.extend(names.last().cloned());
                    }
                    // The ON knows what is before it; now and then it proves the wrong side.
                    let about = if self.one_in(3) { before } else { names[names.len() - 1..].to_vec() };
                    let on = self.scoping(&about, 1);
                    format!("{text} {join} {factor} ON {on}")
                }
            };
        }
        (text, names, open)
    }

    fn factor(&mut self) -> (String, String) {
        self.tables += 1;
        if self.one_in(8) {
            let name = format!("d{}", self.tables);
            return (format!("({}) AS {name}", self.derived()), name);
        }
        let table = TABLES[self.pick(4)];
        match self.pick(6) {
            0..=2 => {
                let name = format!("{}{}", &table[..1].to_lowercase(), self.tables);
                (format!("{table} {name}"), name)
            }
            3 => (table.to_owned(), table.to_owned()),
            4 => (format!("{table} AS p"), "p".to_owned()),
            _ => (format!("{table} AS orders"), "orders".to_owned()),
        }
    }

    fn derived(&mut self) -> String {
        let (from, names, open) = self.tables(1);
        let condition = self.scoping(&open, 1);
        let name = &names[names.len() - 1];
        format!("SELECT {name}.id, {name}.owner, {name}.name FROM {from} WHERE {condition}")
    }

    /// One column of text.
    fn query(&mut self, depth: usize, around: &[String]) -> String {
        if depth == 0 {
            return "SELECT 'x' AS name".to_owned();
        }
        let (from, names, open) = self.tables(2);
        let condition = self.scoping(&open, depth);
        let name = &names[self.pick(names.len())].clone();
        let what = match self.pick(6) {
            0 | 1 => format!("{name}.name"),
            2 => format!("CAST(count(*) AS {})", self.text_type()),
            3 => format!("max({name}.name) OVER ()"),
            4 => {
                let all: Vec<String> = names.iter().chain(around).cloned().collect();
                format!("({})", self.aggregate(depth - 1, &all))
            }
            _ => format!("CASE WHEN {name}.owner = :principal.id THEN {name}.name ELSE 'y' END"),
        };
        format!("SELECT {what} AS name FROM {from} WHERE {condition}")
    }

    /// One row, whatever there is.
    fn aggregate(&mut self, depth: usize, around: &[String]) -> String {
        let (from, names, _) = self.tables(1);
        let about: Vec<String> = names.iter().chain(around).cloned().collect();
        // Conditions on tables around it prove nothing of its own.
        let condition =
            if self.one_in(3) { self.scoping(&about[names.len()..], depth) } else { self.scoping(&names, depth) };
        format!("SELECT max({}.name) FROM {from} WHERE {condition}", names[0])
    }

    /// Mostly what proves every table, with something beside it.
    fn scoping(&mut self, names: &[String], depth: usize) -> String {
        let mut parts: Vec<String> = Vec::new();
        for name in names {
            // Those of `kinds` need no proof, and one would hide what the others lack.
            if name.starts_with('k') && !self.one_in(4) {
                continue;
            }
            match self.pick(10) {
                0..=6 => parts.push(format!("{name}.owner = :principal.id")),
                7 if names.len() == 1 => parts.push(":principal.id = owner".to_owned()),
                8 => parts.push(format!("(({name}.owner) = :principal.id)")),
                _ => {}
            }
        }
        match self.pick(4) {
            0 | 1 => {}
            2 => {
                let more = self.condition(names, depth);
                parts.push(more);
            }
            _ => {
                let more = self.condition(names, depth);
                parts.insert(0, more);
            }
        }
        if parts.is_empty() {
            return "1 = 1".to_owned();
        }
        parts.join(" AND ")
    }

    /// Not in brackets, so that what binds weaker takes its neighbours.
    fn condition(&mut self, names: &[String], depth: usize) -> String {
        let name = if names.is_empty() { "kinds".to_owned() } else { names[self.pick(names.len())].clone() };
        if depth == 0 {
            return format!("{name}.id > 0");
        }
        let again = depth - 1;
        match self.pick(22) {
            0 => format!("{name}.id = :id"),
            1 => format!("{name}.id IN (:ids)"),
            2 => format!("{} OR {}", self.condition(names, again), self.condition(names, again)),
            3 => format!("({} OR {})", self.condition(names, again), self.condition(names, again)),
            4 => format!("NOT {}", self.condition(names, again)),
            5 => format!("NOT ({name}.owner = :principal.id)"),
            6 => format!("{name}.name IN ({})", self.query(again, names)),
            7 => format!("EXISTS ({})", self.query(again, names)),
            8 => format!("NOT EXISTS ({})", self.aggregate(again, names)),
            9 => format!("{name}.name = ({})", self.aggregate(again, names)),
            10 => {
                format!("CASE WHEN {} THEN {name}.owner = :principal.id ELSE 1 = 1 END", self.condition(names, again))
            }
            11 => format!("{name}.owner IN (:principal.id, 'bobs')"),
            12 => format!("{name}.owner LIKE :principal.id"),
            13 => format!("COALESCE({name}.owner, :principal.id) = :principal.id"),
            14 => format!("{name}.owner = :principal.id IS NOT TRUE"),
            15 => format!("{name}.id BETWEEN 1 AND 3 AND {}", self.condition(names, again)),
            16 => format!("1 = 1 [[ AND {name}.name = :name ]]"),
            17 => format!("{name}.owner = :principal.id OR 1 = 1"),
            18 => format!("{name}.name || 'x' = 'ax'"),
            19 => format!("{name}.id NOT IN (:ids) AND {}", self.condition(names, again)),
            20 => format!("({name}.owner = :principal.id) = (1 = 0)"),
            _ => format!("{name}.owner <> :principal.id"),
        }
    }
}
