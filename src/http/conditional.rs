//! Entity tags and preconditions (RFC 9110 §8.8.3, §13.1). A thing's tag is its index in quotes.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

use crate::catalog::Precondition;

use super::problem::Problem;

/// One tag of a list.
#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

/// What a field asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Any,
    Tags(Vec<Tag<'a>>),
}

/// The precondition of a request that changes something.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    match (wanted(headers, IF_MATCH)?, wanted(headers, IF_NONE_MATCH)?) {
        (None, None) => Ok(Precondition::None),
        (Some(Wanted::Any), None) => Ok(Precondition::Present),
        (Some(Wanted::Tags(tags)), None) => {
            // The comparison is strong (§13.1.1): a weak tag matches nothing, nor does one that is no index.
            let indexes = tags.iter().filter(|tag| !tag.weak).filter_map(index_of);
            Ok(Precondition::Index(indexes.collect()))
        }
        (None, Some(Wanted::Any)) => Ok(Precondition::Absent),
        (_, Some(Wanted::Tags(_))) => Err(Problem::invalid("If-None-Match", "must be * on a write")),
        (Some(_), Some(Wanted::Any)) => Err(Problem::precondition(
            "If-Match asks that the thing exists and If-None-Match that it does not",
        )),
    }
}

/// Refuses preconditions where they would mean nothing; `instead` says what is meant.
pub(super) fn refuse_preconditions(headers: &HeaderMap, instead: &str) -> Result<(), Problem> {
    for (name, shown) in [(IF_MATCH, "If-Match"), (IF_NONE_MATCH, "If-None-Match")] {
        if headers.contains_key(name) {
            return Err(Problem::invalid(
                shown,
                format_args!("has no meaning here{instead}"),
            ));
        }
    }
    Ok(())
}

/// Whether the reader has the thing at `index` already: 304. A field that cannot be read is as good as none.
pub(super) fn is_known(headers: &HeaderMap, index: u64) -> bool {
    match wanted(headers, IF_NONE_MATCH) {
        Ok(Some(Wanted::Any)) => true,
        // The comparison is weak (§13.1.2).
        Ok(Some(Wanted::Tags(tags))) => tags.iter().filter_map(index_of).any(|tag| tag == index),
        Ok(None) | Err(_) => false,
    }
}

/// Whether `precondition` holds of a thing with this index, or of none.
pub(super) fn holds(precondition: &Precondition, index: Option<u64>) -> bool {
    match precondition {
        Precondition::None => true,
        Precondition::Absent => index.is_none(),
        Precondition::Present => index.is_some(),
        Precondition::Index(wanted) => index.is_some_and(|index| wanted.contains(&index)),
    }
}

fn index_of(tag: &Tag<'_>) -> Option<u64> {
    let index = tag.opaque.parse().ok()?;
    // `"+7"` and `"07"` are other tags than `"7"`.
    (u64::to_string(&index) == tag.opaque).then_some(index)
}

fn wanted(headers: &HeaderMap, name: HeaderName) -> Result<Option<Wanted<'_>>, Problem> {
    let malformed = || {
        let shown = if name == IF_MATCH {
            "If-Match"
        } else {
            "If-None-Match"
        };
        Problem::invalid(
            shown,
            r#"must be * or a list of entity tags like "7", the quotes included"#,
        )
    };
    let mut found = None;
    for value in headers.get_all(&name) {
        let text = value.to_str().map_err(|_| malformed())?.trim_matches([' ', '\t']);
        let here = parse(text).ok_or_else(malformed)?;
        found = match (found, here) {
            (None, here) => Some(here),
            (Some(Wanted::Tags(mut tags)), Wanted::Tags(more)) => {
                tags.extend(more);
                Some(Wanted::Tags(tags))
            }
            _ => return Err(malformed()),
        };
    }
    Ok(found)
}

fn parse(text: &str) -> Option<Wanted<'_>> {
    if text == "*" {
        return Some(Wanted::Any);
    }
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        tags.push(Tag { weak, opaque });
        rest = after.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(Wanted::Tags(tags));
        }
        rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(Wanted::Tags(tags));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a header value")))
            .collect()
    }

    #[test]
    fn if_match_is_a_list_of_strong_tags_or_a_star() {
        let read = |value| precondition(&headers(&[(IF_MATCH, value)])).ok();
        assert_eq!(read("*"), Some(Precondition::Present));
        assert_eq!(read("\"7\""), Some(Precondition::Index([7].into())));
        assert_eq!(read("\"7\" , \"8\","), Some(Precondition::Index([7, 8].into())));
        assert_eq!(
            read("W/\"7\", \"x\", \"07\", \"+7\""),
            Some(Precondition::Index([].into()))
        );
        for wrong in ["7", "", "\"7", "\"7\" \"8\"", "*, \"7\"", "w/\"7\"", "\"7\",8"] {
            let problem = precondition(&headers(&[(IF_MATCH, wrong)])).expect_err(wrong);
            assert_eq!(
                (problem.status().as_u16(), problem.field()),
                (422, Some("If-Match")),
                "{wrong}"
            );
        }
        let two = headers(&[(IF_MATCH, "\"7\""), (IF_MATCH, "\"8\"")]);
        let mut appended = HeaderMap::new();
        for value in two.get_all(IF_MATCH) {
            appended.append(IF_MATCH, value.clone());
        }
        assert_eq!(precondition(&HeaderMap::new()).ok(), Some(Precondition::None));
    }

    #[test]
    fn if_none_match_is_a_star_on_a_write() {
        let absent = headers(&[(IF_NONE_MATCH, "*")]);
        assert_eq!(precondition(&absent).ok(), Some(Precondition::Absent));
        let tag = headers(&[(IF_NONE_MATCH, "\"7\"")]);
        assert_eq!(precondition(&tag).expect_err("a tag").status(), 422);
        let both = headers(&[(IF_MATCH, "*"), (IF_NONE_MATCH, "*")]);
        assert_eq!(precondition(&both).expect_err("never true").status(), 412);
    }

    #[test]
    fn a_reader_that_has_it_is_told_so() {
        for (value, known) in [
            ("\"7\"", true),
            ("W/\"7\"", true),
            ("\"6\", \"7\"", true),
            ("*", true),
            ("\"6\"", false),
            ("7", false),
        ] {
            assert_eq!(is_known(&headers(&[(IF_NONE_MATCH, value)]), 7), known, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), 7));
    }
}
