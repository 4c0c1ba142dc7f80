//! The same text in the older form of the format (0.0.4), for a collector that asks for that one alone.
//!
//! The two differ in little: a counter's name has its `_total` also where its type stands, an info is a gauge, and nothing
//! marks the end.

/// The media type of [`classic`].
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What `text`, written in the standard form, is in the older one.
pub(super) fn classic(text: &str) -> String {
    let mut older = String::with_capacity(text.len() + text.len() / 16);
    let mut push = |parts: &[&str]| {
        parts.iter().for_each(|part| older.push_str(part));
        older.push('\n');
    };
    let mut help = "";
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            // It stands before the type, which says what the name is here.
            help = said;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            let words = help.strip_prefix(name).unwrap_or_default();
            push(&["# HELP ", name, suffix, words]);
            push(&["# TYPE ", name, suffix, " ", kind]);
        } else if line != "# EOF" {
            push(&[line]);
        }
    }
    older
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_their_suffix_and_nothing_else_changes() {
        let text = "# HELP a_b Some words\n# TYPE a_b counter\na_b_total{c=\"d\"} 1\n# HELP v The version\n# TYPE v info\n\
            v_info{version=\"1\"} 1\n# HELP g A gauge\n# TYPE g gauge\ng 2\n# EOF\n";
        let older = "# HELP a_b_total Some words\n# TYPE a_b_total counter\na_b_total{c=\"d\"} 1\n# HELP v_info The version\n\
            # TYPE v_info gauge\nv_info{version=\"1\"} 1\n# HELP g A gauge\n# TYPE g gauge\ng 2\n";
        assert_eq!(classic(text), older);
    }
}
