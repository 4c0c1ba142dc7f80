//! What most instances do not have: tags, `meta`, a verdict that says something, a drain. Together they take the room of
//! a pointer where an instance has none of them.

use std::borrow::Cow;

use crate::clock::Timestamp;

use super::few::Seldom;
use super::health::{Status, Verdict};
use super::instance::{Drain, Instance, MetaKey, MetaValue, Port, Tag, deregister_after_default};
use super::name::PortName;
use super::settings::Delay;

/// What most instances do not have. It is read through the methods of [`Instance`], and changed by
/// [`Instance::with`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceExtras {
    /// Each once.
    pub tags: Box<[Tag]>,
    /// Sorted by key.
    pub meta: Box<[(MetaKey, MetaValue)]>,
    /// Removal so long after a lapse, where it is not the default.
    pub deregister_after: Option<Delay>,
    /// The verdict `reported` about the instance itself, unless it has been passing from the beginning without a word.
    pub reported: Option<Verdict>,
    /// The verdicts `reported` about one port alone, sorted by its name.
    pub reported_of_ports: Box<[(PortName, Verdict)]>,
    /// When the lease lapsed; the verdict `lease` is critical since then.
    pub lapsed: Option<Timestamp>,
    /// The drain, if there is one.
    pub drain: Option<Drain>,
}

impl InstanceExtras {
    /// As an instance keeps them that was registered first at `created_at`: what is the default is left out, so that two
    /// that say the same are equal.
    pub fn kept(mut self, created_at: Timestamp) -> Seldom<Self> {
        if self.deregister_after == Some(deregister_after_default()) {
            self.deregister_after = None;
        }
        if self.reported.as_ref() == Some(&Verdict::silent(created_at)) {
            self.reported = None;
        }
        Seldom::of(self)
    }
}

impl InstanceExtras {
    /// Puts `verdict` about the port of that name in the place of what was reported before.
    pub fn report_of(&mut self, port: &PortName, verdict: Verdict) {
        let mut verdicts = std::mem::take(&mut self.reported_of_ports).into_vec();
        match verdicts.binary_search_by(|(name, _)| name.cmp(port)) {
            Ok(at) => verdicts[at].1 = verdict,
            Err(at) => verdicts.insert(at, (port.clone(), verdict)),
        }
        self.reported_of_ports = verdicts.into();
    }
}

impl Instance {
    /// Each once.
    pub fn tags(&self) -> &[Tag] {
        self.extras().map_or(&[], |extras| &extras.tags)
    }

    /// Sorted by key.
    pub fn meta(&self) -> &[(MetaKey, MetaValue)] {
        self.extras().map_or(&[], |extras| &extras.meta)
    }

    /// Removal so long after a lapse.
    pub fn deregister_after(&self) -> Delay {
        self.extras()
            .and_then(|extras| extras.deregister_after)
            .unwrap_or_else(deregister_after_default)
    }

    /// The verdict `reported` about the instance itself.
    pub fn reported(&self) -> Cow<'_, Verdict> {
        match self.extras().and_then(|extras| extras.reported.as_ref()) {
            Some(verdict) => Cow::Borrowed(verdict),
            None => Cow::Owned(Verdict::silent(self.created_at)),
        }
    }

    /// The verdict `reported` about the port of that name alone, if there was one.
    pub fn reported_of(&self, port: &PortName) -> Option<&Verdict> {
        let verdicts = &self.extras()?.reported_of_ports;
        let at = verdicts.binary_search_by(|(name, _)| name.cmp(port));
        at.ok().map(|at| &verdicts[at].1)
    }

    /// When the lease lapsed; the verdict `lease` is critical since then.
    pub fn lapsed(&self) -> Option<Timestamp> {
        self.extras()?.lapsed
    }

    /// The drain, if there is one.
    pub fn drain(&self) -> Option<Drain> {
        self.extras()?.drain
    }

    /// The worst of the verdicts about no port.
    pub fn status(&self) -> Status {
        let Some(extras) = self.extras() else {
            return Status::Passing;
        };
        match extras.lapsed {
            Some(_) => Status::Critical,
            None => extras.reported.as_ref().map_or(Status::Passing, |it| it.status),
        }
    }

    /// The worst verdict about `port`, one of this instance's, alone.
    pub fn status_of(&self, port: &Port) -> Status {
        self.reported_of(&port.name)
            .map_or(Status::Passing, |verdict| verdict.status)
    }

    /// Passing or warning, not draining, and, if it has ports, with one that is not critical.
    pub fn is_answerable(&self) -> bool {
        let Some(extras) = self.extras() else {
            return true;
        };
        self.status() != Status::Critical
            && extras.drain.is_none()
            && (self.ports.is_empty()
                || self
                    .ports
                    .iter()
                    .any(|port| self.status_of(port) != Status::Critical))
    }

    /// Whether `port`, one of this instance's, is answered.
    pub fn answers(&self, port: &Port) -> bool {
        self.status_of(port) != Status::Critical && self.is_answerable()
    }

    /// The port of that name.
    pub fn port(&self, name: &PortName) -> Option<&Port> {
        self.ports
            .binary_search_by(|port| port.name.cmp(name))
            .ok()
            .map(|at| &self.ports[at])
    }

    /// Whether it has a tag with that label.
    pub fn has_tag_label(&self, label: &str) -> bool {
        self.tags()
            .iter()
            .any(|tag| tag.as_str().eq_ignore_ascii_case(label))
    }

    /// The `key=value` strings of its TXT record that fit in 255 octets, in octet order of the keys (RFC 1035 §3.3.14).
    pub fn txt_strings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.meta()
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .filter(|(key, value)| key.len() + 1 + value.len() <= 255)
    }

    /// This instance with other extras.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut InstanceExtras)) -> Self {
        let mut extras = self.extras().cloned().unwrap_or_default();
        change(&mut extras);
        self.extras = extras.kept(self.created_at);
        self
    }

    fn extras(&self) -> Option<&InstanceExtras> {
        self.extras.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_catalog_has_millions_of_stays_small() {
        // With its two counters, and what the allocator adds, a block of 144 octets.
        assert!(size_of::<Instance>() <= 120, "{}", size_of::<Instance>());
    }
}
