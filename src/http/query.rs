//! Query parameters, and the percent-encoding of RFC 3986 §2.1.

use std::borrow::Cow;
use std::time::Duration;

use super::duration;
use super::problem::Problem;

/// Items of a list in one reply, where the request does not say.
const LIMIT_DEFAULT: usize = 1000;
/// Items of a list in one reply, at most.
pub(super) const LIMIT_MAX: usize = 10_000;

/// How long a read waits for a change, where the request does not say.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);
/// How long a read waits for a change, at most.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(600);

/// What a read waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// A change after this index of what it shows.
    pub(super) after: u64,
    /// How long.
    pub(super) limit: Duration,
}

/// The parameters that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

/// Which part of a list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) limit: usize,
    /// In lower case, as names are held.
    pub(super) after: Option<String>,
    pub(super) prefix: String,
}

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut parameters = Vec::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| percent_decoded(&text.replace('+', " ")).map(Cow::into_owned);
            let wrong = || Problem::invalid(name, "is not UTF-8 text in percent-encoding");
            let name = decode(name).ok_or_else(wrong)?;
            let value = decode(value).ok_or_else(wrong)?;
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Takes the parameter `name`, which may be given once.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take_all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(Problem::invalid(name, "is given more than once")),
        }
    }

    /// Takes every value of the parameter `name`, in order.
    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        self.0
            .extract_if(.., |(parameter, _)| parameter == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// Takes `limit`.
    pub(super) fn limit(&mut self) -> Result<usize, Problem> {
        match self.take("limit")? {
            None => Ok(LIMIT_DEFAULT),
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| {
                    (1..=LIMIT_MAX).contains(limit) && text.bytes().all(|octet| octet.is_ascii_digit())
                })
                .ok_or_else(|| {
                    Problem::invalid(
                        "limit",
                        format_args!("must be a whole number from 1 to {LIMIT_MAX}"),
                    )
                }),
        }
    }

    /// Takes the index `name`.
    pub(super) fn index(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.take(name)? else {
            return Ok(None);
        };
        let digits = text.bytes().all(|octet| octet.is_ascii_digit());
        // One past it must be a number, too.
        let index = text.parse().ok().filter(|index| digits && *index < u64::MAX);
        index
            .map(Some)
            .ok_or_else(|| Problem::invalid(name, "must be an index, a whole number"))
    }

    /// Takes `index` and `wait`: how long to wait for what change. A wait without an index is none.
    pub(super) fn wait(&mut self) -> Result<Option<Wait>, Problem> {
        let index = self.index("index")?;
        let limit = match self.take("wait")? {
            None => WAIT_DEFAULT,
            Some(text) => duration::of_query(&text).map_err(|error| Problem::invalid("wait", error))?,
        };
        if limit > WAIT_MAX {
            let longest = duration::Shown(WAIT_MAX);
            return Err(Problem::invalid("wait", format_args!("is longer than {longest}")));
        }
        Ok(index.map(|after| Wait { after, limit }))
    }

    /// Takes `limit`, `after` and `prefix`.
    pub(super) fn window(&mut self) -> Result<Window, Problem> {
        let limit = self.limit()?;
        Ok(Window {
            limit,
            after: self.take("after")?.map(|after| after.to_ascii_lowercase()),
            prefix: self.take("prefix")?.unwrap_or_default().to_ascii_lowercase(),
        })
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(Problem::invalid(name, "is not a parameter that is known here")),
            None => Ok(()),
        }
    }
}

impl Window {
    /// Cuts this window out of `items`, which come in order of their names, from the first name that may be in it.
    pub(super) fn cut<'a, T>(
        &self,
        items: impl Iterator<Item = T>,
        name: impl Fn(&T) -> &'a str,
    ) -> (Vec<T>, Option<&'a str>) {
        let mut page: Vec<T> = Vec::new();
        let wanted = items
            .skip_while(|item| self.after.as_deref().is_some_and(|after| name(item) <= after))
            .skip_while(|item| name(item) < self.prefix.as_str())
            .take_while(|item| name(item).starts_with(&self.prefix));
        for item in wanted {
            if page.len() == self.limit {
                let last = page.last().map(&name);
                return (page, last);
            }
            page.push(item);
        }
        (page, None)
    }

    /// Whether `name` is in it, as long as it does not end before.
    pub(super) fn has(&self, name: &str) -> bool {
        name.starts_with(&self.prefix) && self.after.as_deref().is_none_or(|after| name > after)
    }

    /// The name at or after which the window begins.
    pub(super) fn start(&self) -> &str {
        self.after.as_deref().unwrap_or_default().max(&self.prefix)
    }
}

/// `text` with its `%xx` put back; none if that is broken or no UTF-8.
pub(super) fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        octets.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are an octet"));
    }
    String::from_utf8(octets).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_put_back() {
        assert_eq!(percent_decoded("a-b").as_deref(), Some("a-b"));
        assert_eq!(percent_decoded("%2e%2E%2Fw%65b").as_deref(), Some("../web"));
        assert_eq!(percent_decoded("%C3%BC").as_deref(), Some("ü"));
        assert_eq!(percent_decoded("%00").as_deref(), Some("\0"));
        for broken in ["%", "%2", "%zz", "%+1", "%ff", "%C3"] {
            assert_eq!(percent_decoded(broken), None, "{broken}");
        }
    }

    #[test]
    fn parameters_are_taken_and_the_rest_is_refused() {
        let mut query = Query::parse(Some("tag=a%20b&limit=5&tag=c+d&&x")).expect("good");
        assert_eq!(query.take_all("tag"), ["a b", "c d"]);
        assert_eq!(query.window().expect("good").limit, 5);
        assert_eq!(query.finish().expect_err("x").field(), Some("x"));
        let mut twice = Query::parse(Some("limit=5&limit=5")).expect("good");
        assert_eq!(twice.window().expect_err("twice").field(), Some("limit"));
        assert_eq!(
            Query::parse(Some("a=%ff")).expect_err("no UTF-8").field(),
            Some("a")
        );
        Query::parse(None).expect("none").finish().expect("nothing left");
    }

    #[test]
    fn limits_are_1_to_10000() {
        let limit = |text: &str| {
            Query::parse(Some(&format!("limit={text}")))
                .expect("good")
                .window()
        };
        assert_eq!(limit("1").expect("good").limit, 1);
        assert_eq!(limit("10000").expect("good").limit, 10_000);
        for wrong in [
            "0",
            "10001",
            "-1",
            "+1",
            "%2B1",
            "",
            "x",
            "1.0",
            "99999999999999999999",
        ] {
            assert_eq!(limit(wrong).expect_err(wrong).field(), Some("limit"));
        }
    }

    #[test]
    fn a_window_says_where_to_go_on_only_if_there_is_more() {
        let names = ["a", "b-1", "b-2", "b-3", "c"];
        let cut = |query: &str| {
            let window = Query::parse(Some(query)).expect("good").window().expect("good");
            let (page, next) = window.cut(names.iter(), |name| **name);
            (page.into_iter().copied().collect::<Vec<_>>().join(" "), next)
        };
        assert_eq!(cut(""), ("a b-1 b-2 b-3 c".into(), None));
        assert_eq!(cut("limit=2"), ("a b-1".into(), Some("b-1")));
        assert_eq!(cut("limit=2&after=b-1"), ("b-2 b-3".into(), Some("b-3")));
        assert_eq!(cut("limit=2&after=b-3"), ("c".into(), None));
        assert_eq!(cut("prefix=B-"), ("b-1 b-2 b-3".into(), None));
        assert_eq!(cut("prefix=b-&limit=3"), ("b-1 b-2 b-3".into(), None));
        assert_eq!(cut("prefix=b-&after=b-2"), ("b-3".into(), None));
        assert_eq!(cut("prefix=b-&after=c"), (String::new(), None));
        assert_eq!(
            cut("after=bb"),
            ("c".into(), None),
            "a name that is gone is no fault"
        );
    }
}
