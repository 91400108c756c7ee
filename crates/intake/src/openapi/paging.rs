//! Pages: what an operation's parameters and answer say of how it pages, as `paginate`. Only where both agree: a guess that is
//! wrong would end a list early.

use serde_json::{Map, Value, json};

use super::{answer::Answer, merge, parameter::Taken};

const LIMITS: [&str; 14] = [
    "per_page",
    "perpage",
    "page_size",
    "pagesize",
    "limit",
    "maxresults",
    "max_results",
    "size",
    "count",
    "first",
    "page[size]",
    "pagelimit",
    "page_limit",
    "$top",
];
const PAGES: [&str; 5] = ["page", "page_number", "pagenumber", "page[number]", "pageno"];
const OFFSETS: [&str; 5] = ["offset", "skip", "start", "startindex", "$skip"];
const CURSORS: [&str; 12] = [
    "cursor",
    "page_token",
    "pagetoken",
    "next_token",
    "nexttoken",
    "continuation_token",
    "continuationtoken",
    "starting_after",
    "after",
    "next_cursor",
    "page[cursor]",
    "marker",
];
const NEXT_CURSORS: [&str; 12] = [
    "next_cursor",
    "nextcursor",
    "next_page_token",
    "nextpagetoken",
    "next_token",
    "nexttoken",
    "continuation_token",
    "continuationtoken",
    "cursor",
    "next",
    "after",
    "next_marker",
];
/// Where the URL of the next page stands, if not in a header.
const NEXT_LINKS: [&str; 6] = ["next", "next_url", "nexturl", "next_link", "nextlink", "@odata.nextlink"];
/// What says whether there is more, or which page is next.
const MORE: [&str; 6] = ["has_more", "hasmore", "next_page", "nextpage", "has_next", "hasnext"];
const PAGE_SIZE: u64 = 50;

/// `paginate`, with the parameters that it gives itself taken from the tool.
pub fn of(answer: &Answer, taken: &mut Taken) -> Option<Value> {
    let items = answer.list()?;
    let parameter = |names: &[&str], kinds: &[&str], taken: &Taken| {
        let mut found = taken.query.iter().filter(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str()));
        let (name, placeholder) = found.next()?;
        let property = placeholder.as_str()?.trim_matches(['{', '}']).to_owned();
        let schema = taken.properties.get(&property)?.as_object()?;
        let fits = kinds.iter().any(|kind| merge::is_of(schema, kind)) && !taken.required.contains(&property);
        fits.then(|| (name.clone(), property, schema.clone()))
    };
    let limit = parameter(&LIMITS, &["integer", "number"], taken);
    let mut paginate = Map::new();
    let mut set = |key: &str, value: Value| drop(paginate.insert(key.to_owned(), value));
    // Whether only a page that is not full says that it is the last.
    let mut counted = false;
    let by;
    let mut counts_from_zero = false;
    let link = answer.link(&NEXT_LINKS);
    let more = answer.property(&MORE).or_else(|| link.clone());
    if let Some((name, property, _)) = parameter(&CURSORS, &["string", "integer"], taken)
        && let Some(next) = &link
    {
        // The cursor stands in it.
        set("style", "link".into());
        set("nextPointer", next.as_str().into());
        by = (name, property);
    } else if let Some((name, property, _)) = parameter(&CURSORS, &["string", "integer"], taken)
        && let Some(next) = answer.property(&NEXT_CURSORS)
    {
        set("style", "cursor".into());
        set("cursorParam", name.clone().into());
        set("nextPointer", next.into());
        by = (name, property);
    } else if answer.headers.iter().any(|header| header == "link")
        && let Some((name, property, _)) = parameter(&PAGES, &["integer", "number", "string"], taken)
    {
        set("style", "link".into());
        by = (name, property);
    } else if let Some((name, property, schema)) = parameter(&PAGES, &["integer", "number"], taken)
        && (limit.is_some() || more.is_some())
    {
        set("style", "page".into());
        set("pageParam", name.clone().into());
        match more {
            Some(more) => set("nextPointer", more.into()),
            None => counted = true,
        }
        let first = taken.defaults.get(&name).copied().or_else(|| schema.get("minimum").and_then(Value::as_u64));
        counts_from_zero = first == Some(0);
        by = (name, property);
    } else if let Some((name, property, _)) = parameter(&OFFSETS, &["integer", "number"], taken)
        && limit.is_some()
    {
        set("style", "offset".into());
        set("offsetParam", name.clone().into());
        match more {
            Some(more) => set("nextPointer", more.into()),
            None => counted = true,
        }
        by = (name, property);
    } else {
        return None;
    }
    if let Some((name, property, schema)) = limit {
        let says = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let most = says("maximum").or_else(|| taken.defaults.get(&name).copied().filter(|_| counted));
        // A server that gives less than it is asked for would end the list with its first page. Where the document does not say
        // what it gives, callers say how much they want, and a page without anything is the end.
        if most.is_some() || !counted {
            set("pageSize", PAGE_SIZE.min(most.unwrap_or(PAGE_SIZE)).max(1).into());
            set("limitParam", name.clone().into());
            forget(taken, &name, &property);
        }
    }
    if !items.is_empty() {
        set("itemsPointer", items.into());
    }
    forget(taken, &by.0, &by.1);
    if counts_from_zero {
        taken.query.insert(by.0, 0.into());
    }
    Some(json!(paginate))
}

/// Whether a list says where it goes on, or that it does.
pub fn goes_on(answer: &Answer) -> bool {
    answer.list().is_some()
        && [&NEXT_CURSORS[..], &NEXT_LINKS, &MORE].iter().any(|names| answer.property(names).is_some())
}

fn forget(taken: &mut Taken, name: &str, property: &str) {
    taken.query.shift_remove(name);
    taken.properties.shift_remove(property);
    taken.styles.shift_remove(property);
}
