//! Pages of an upstream. What it says of the next one is sealed into the caller's cursor, so that nobody can make one up; a
//! link to a next page must stay on the host and below the path of the connection.

use http::{HeaderMap, header::LINK};
use mcp_factory_connect::http::{Answer, Link, Request};
use mcp_factory_spec::model::{PageStyle, Paginate};
use serde::{Deserialize, Serialize};

use super::select::{Next, Pointer};

#[derive(Debug)]
pub struct Pages {
    style: Style,
    limit_parameter: Option<String>,
    size: u64,
    next: Option<Pointer>,
}

#[derive(Debug)]
enum Style {
    Cursor { parameter: String },
    Page { parameter: String },
    Offset { parameter: String },
    Link,
}

/// Where a caller is: a page of the upstream, and how many of its items they have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    page: Page,
    #[serde(default)]
    pub skip: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Page {
    #[default]
    First,
    Cursor(String),
    Number(u64),
    Link {
        path: String,
        query: String,
    },
}

/// What was seen of a page.
#[derive(Debug)]
pub struct Seen<'a> {
    pub items: u64,
    pub next: &'a Next,
    pub answer: &'a Answer,
}

impl Pages {
    pub fn compile(paginate: &Paginate) -> Result<Self, String> {
        let named = |parameter: &Option<String>, field: &str| {
            parameter.clone().ok_or_else(|| format!("`paginate` has no `{field}`"))
        };
        let style = match paginate.style {
            Some(PageStyle::Cursor) => Style::Cursor { parameter: named(&paginate.cursor_param, "cursorParam")? },
            Some(PageStyle::Page) => Style::Page { parameter: named(&paginate.page_param, "pageParam")? },
            Some(PageStyle::Offset) => Style::Offset { parameter: named(&paginate.offset_param, "offsetParam")? },
            Some(PageStyle::Link) => Style::Link,
            None => return Err("`paginate` has no `style`".to_owned()),
        };
        Ok(Self {
            style,
            limit_parameter: paginate.limit_param.clone(),
            size: u64::from(paginate.page_size.get()),
            next: paginate.next_pointer.as_ref().map(|pointer| Pointer::parse(pointer.as_str())),
        })
    }

    #[must_use]
    pub fn next_pointer(&self) -> Option<&Pointer> {
        self.next.as_ref()
    }

    /// Makes the request one for the page.
    pub fn ask(&self, position: &Position, request: &mut Request) {
        if let Page::Link { path, query } = &position.page {
            request.path.clone_from(path);
            request.query.clear();
            request.whole_query = Some(query.clone());
            return;
        }
        let mut set = |name: &str, value: String| {
            request.query.retain(|(known, _)| known != name);
            request.query.push((name.to_owned(), value));
        };
        if let Some(limit) = &self.limit_parameter {
            set(limit, self.size.to_string());
        }
        match (&self.style, &position.page) {
            (Style::Cursor { parameter }, Page::Cursor(cursor)) => set(parameter, cursor.clone()),
            (Style::Page { parameter } | Style::Offset { parameter }, Page::Number(number)) => {
                set(parameter, number.to_string());
            }
            _ => {}
        }
    }

    /// The page behind this one, or `None` at the end. `first`: the query of the first page, for where its count begins.
    pub fn after(
        &self,
        position: &Position,
        first: &[(String, String)],
        seen: &Seen<'_>,
    ) -> Result<Option<Position>, String> {
        let page = match &self.style {
            Style::Cursor { .. } => match seen.next {
                Next::Text(cursor) if cursor.is_empty() => None,
                Next::Text(cursor) | Next::Number(cursor) => Some(Page::Cursor(cursor.clone())),
                Next::Unseen | Next::Nothing | Next::Boolean(_) => None,
            },
            Style::Page { parameter } => self.count(position, first, parameter, 1, 1, seen),
            Style::Offset { parameter } => self.count(position, first, parameter, 0, seen.items, seen),
            Style::Link => {
                let link = match (&self.next, seen.next) {
                    (None, _) => next_link(&seen.answer.headers),
                    (Some(_), Next::Text(link)) if !link.is_empty() => Some(link.clone()),
                    (Some(_), _) => None,
                };
                let link = link.map(|link| seen.answer.link(&link)).transpose().map_err(|error| error.to_string())?;
                link.map(|Link { path, query }| Page::Link { path, query })
            }
        };
        // An upstream that leads in a circle is at its end.
        Ok(page.filter(|page| *page != position.page).map(|page| Position { page, skip: 0 }))
    }

    fn count(
        &self,
        position: &Position,
        first: &[(String, String)],
        parameter: &str,
        begins: u64,
        step: u64,
        seen: &Seen<'_>,
    ) -> Option<Page> {
        let more = match seen.next {
            Next::Number(next) => return next.parse().ok().map(Page::Number),
            Next::Text(next) => match next.parse() {
                Ok(number) => return Some(Page::Number(number)),
                Err(_) => !next.is_empty(),
            },
            Next::Boolean(more) => *more,
            Next::Nothing => false,
            Next::Unseen if self.next.is_some() => false,
            // Who asked for so many and got fewer has seen the last.
            Next::Unseen => seen.items > 0 && (self.limit_parameter.is_none() || seen.items >= self.size),
        };
        let here = match position.page {
            Page::Number(number) => number,
            _ => {
                let written = first.iter().find(|(name, _)| name == parameter);
                written.and_then(|(_, value)| value.parse().ok()).unwrap_or(begins)
            }
        };
        (more && step > 0).then(|| Page::Number(here.saturating_add(step)))
    }
}

impl Position {
    /// The same page, with so many more of its items seen.
    #[must_use]
    pub fn within(&self, items: u64) -> Self {
        Self { page: self.page.clone(), skip: self.skip + items }
    }
}

/// The target of `rel="next"` (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_of)
}

fn next_of(mut rest: &str) -> Option<String> {
    loop {
        let (target, parameters) = rest.split_once('<')?.1.split_once('>')?;
        let (parameters, behind) = end_of_parameters(parameters);
        let is_next = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
            let relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.into_iter().any(|one| one.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.trim().to_owned());
        }
        rest = behind;
    }
}

/// Splits at the comma before the next link; one in quotes is none.
fn end_of_parameters(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let check = |header: &str, expected: Option<&str>| {
            let headers = [(LINK, header.parse().unwrap())].into_iter().collect();
            assert_eq!(next_link(&headers).as_deref(), expected, "{header}");
        };
        check(
            "<https://a.example/?page=2>; rel=\"next\", <https://a.example/?page=9>; rel=\"last\"",
            Some("https://a.example/?page=2"),
        );
        check(
            "<?page=1>; rel=prev, <?a=1,2;rel=next>; title=\"a, <b>; rel=next\" ; REL=\"last next\"",
            Some("?a=1,2;rel=next"),
        );
        check("<?page=1>; rel=\"prev\"", None);
        check("<?page=1>; title=\"rel=next\"", None);
        check("<?page=1; rel=next", None);
        check("rel=next", None);
    }

    #[test]
    fn where_a_caller_is_survives_being_written_down() {
        for page in [
            Page::First,
            Page::Cursor("a".into()),
            Page::Number(3),
            Page::Link { path: "/a".into(), query: "b".into() },
        ] {
            let position = Position { page, skip: 7 };
            let written = serde_json::to_vec(&position).unwrap();
            assert_eq!(serde_json::from_slice::<Position>(&written).unwrap(), position);
        }
    }
}
