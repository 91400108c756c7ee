//! Kinds of a schema: what a `discriminator` tells apart where no `oneOf` lists it, namely the schemas that have it in their `allOf`,
//! and theirs, and those of its `mapping`.

use std::{
    cell::{OnceCell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
};

use mcp_factory_spec::Node;

use super::document::{At, Resolver, Version};

/// A schema, and what it is called.
pub type Named<'d> = (&'d str, At<'d>);

/// Looked for once, when it is asked first: every schema may be part of every other.
#[derive(Debug, Default)]
pub struct Kinds<'d> {
    /// Of each schema of a document, those that have it in their `allOf`.
    directly: OnceCell<HashMap<*const Node, Vec<Named<'d>>>>,
    of: RefCell<HashMap<*const Node, Rc<[Named<'d>]>>>,
}

impl<'d> Kinds<'d> {
    fn directly(&self, of: At<'d>, resolver: &Resolver<'d>) -> &[Named<'d>] {
        let found = self.directly.get_or_init(|| {
            let mut found: HashMap<*const Node, Vec<Named<'d>>> = HashMap::new();
            for (name, schema) in schemas(resolver).into_iter().flat_map(At::entries) {
                let Ok(schema) = resolver.resolve(schema) else { continue };
                let parts = schema.get("allOf").into_iter().flat_map(At::items);
                for base in parts.filter(|part| part.text("$ref").is_some()).filter_map(|it| resolver.resolve(it).ok())
                {
                    found.entry(std::ptr::from_ref(base.node)).or_default().push((name, schema));
                }
            }
            found
        });
        found.get(&std::ptr::from_ref(of.node)).map_or(&[], Vec::as_slice)
    }

    /// All kinds of a schema, in the order of the document, and it itself as the last. None where it has choices of its own.
    pub fn of(&self, base: At<'d>, resolver: &Resolver<'d>) -> Rc<[Named<'d>]> {
        if base.get("discriminator").is_none() {
            return Rc::default();
        }
        let key = std::ptr::from_ref(base.node);
        let known = self.of.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let found: Rc<[Named<'d>]> = self.find(base, resolver).into();
            self.of.borrow_mut().insert(key, found.clone());
            found
        })
    }

    fn find(&self, base: At<'d>, resolver: &Resolver<'d>) -> Vec<Named<'d>> {
        let Some(discriminator) = base.get("discriminator") else { return Vec::new() };
        if base.get("oneOf").or_else(|| base.get("anyOf")).is_some() {
            return Vec::new();
        }
        let mut all: Vec<Named<'d>> = Vec::new();
        let mut met: HashSet<*const Node> = HashSet::from([std::ptr::from_ref(base.node)]);
        let mut next = self.directly(base, resolver).to_vec();
        let mapped = discriminator.get("mapping").into_iter().flat_map(At::entries);
        next.extend(mapped.filter_map(|(_, meant)| named(discriminator.file, meant.node.as_str()?, resolver)));
        while !next.is_empty() {
            let mut below = Vec::new();
            for (name, kind) in next {
                if met.insert(kind.node) {
                    all.push((name, kind));
                    below.extend_from_slice(self.directly(kind, resolver));
                }
            }
            next = below;
        }
        if !all.is_empty() {
            let own = schemas(resolver).into_iter().flat_map(At::entries);
            all.extend(own.filter(|(_, it)| std::ptr::eq(it.node, base.node)).take(1));
        }
        all
    }
}

fn schemas<'d>(resolver: &Resolver<'d>) -> Option<At<'d>> {
    let root = resolver.root();
    match resolver.version() {
        Version::V2 => root.get("definitions"),
        _ => root.get("components")?.get("schemas"),
    }
}

/// A `mapping` has references, or names of schemas.
fn named<'d>(file: usize, meant: &'d str, resolver: &Resolver<'d>) -> Option<Named<'d>> {
    let name = meant.rsplit('/').next()?;
    let schema = schemas(resolver).and_then(|all| all.get(meant)).or_else(|| resolver.follow(file, meant))?;
    Some((name, resolver.resolve(schema).ok()?))
}
