//! Zone files: static records that come, change and go.

use std::sync::Arc;

use super::super::beside::clash;
use super::super::change::{Image, Kind, Rejection};
use super::super::contents::{Contents, text};
use super::super::instance::Instance;
use super::super::name::{ServiceName, ZoneName};
use super::super::service::Service;
use super::super::settings::ZoneSettings;
use super::super::state::{State, Step, Subject};
use super::super::zone::{NAME_SERVER_LABEL, Zone};

const SUBJECT: Subject<'static> = Subject {
    kind: Kind::ZoneFile,
    service: None,
    id: None,
};

impl Step {
    /// Gives `zone` the records of its file, or takes them away. The serial moves if records changed, to the file's if
    /// that is newer; it is taken over without a change too, since whoever raised it wants it seen.
    pub(super) fn zone_file(
        &mut self,
        name: &ZoneName,
        contents: Option<&Arc<Contents>>,
    ) -> Result<(), Rejection> {
        let before = self.state.zones.get(name).cloned();
        let zone = match (&before, contents) {
            (None, None) => return Ok(()),
            (Some(zone), _) => zone.clone(),
            (None, Some(_)) => {
                let base = self.state.base.clone();
                Arc::new(self.new_zone(name, ZoneSettings::default(), base)?)
            }
        };
        let digest = contents.map(|contents| contents.digest());
        let serial_of_file = contents.and_then(|contents| contents.soa()).map(|soa| soa.serial);
        // Of a zone that is new no serial was answered, unless it was deleted: then it goes on from there.
        let takes_over = match (&before, self.state.retired.get(name)) {
            (Some(_), _) => serial_of_file.filter(|serial| is_newer(*serial, zone.serial)),
            (None, None) => serial_of_file,
            (None, Some(last)) => serial_of_file.map(|serial| match is_newer(serial, *last) {
                true => serial,
                false => last.wrapping_add(1),
            }),
        };
        let is_same =
            before.is_some() && zone.file == digest && zone.contents.is_some() == contents.is_some();
        if is_same && takes_over.is_none() {
            return Ok(());
        }
        if let Some(contents) = contents {
            self.state.check_contents(&zone, contents)?;
        }
        let mut changed = Zone {
            file: digest,
            contents: contents.cloned(),
            ..Zone::clone(&zone)
        };
        if before.is_none() {
            self.check_hides_nothing(&changed)?;
        }
        self.state.check_default_name_server(&changed)?;
        let moved = zone.file != digest && !(is_empty(zone.file) && is_empty(digest));
        changed.serial = match takes_over {
            Some(serial) => serial,
            None if moved && before.is_some() => zone.serial.wrapping_add(1),
            None => zone.serial,
        };
        changed.index = self.advance();
        let mut upper = None;
        if before.is_none() {
            (changed.reverse, upper) = self.claim_addresses(name);
        }
        let serial = (before.is_none() || changed.serial != zone.serial).then_some(changed.serial);
        let changed = Arc::new(changed);
        self.state.retired.remove(name);
        self.state.zones.insert(name.clone(), changed.clone());
        self.effect.created = before.is_none();
        let images = (before.map_or(Image::Absent, Image::Zone), Image::Zone(changed));
        self.record(SUBJECT, name, images, serial);
        self.note_serial(upper);
        Ok(())
    }
}

/// Whether no record is published from a file of that digest.
fn is_empty(digest: Option<u128>) -> bool {
    digest.is_none_or(|digest| digest == Contents::digest_of_nothing())
}

/// Whether serial `one` is later than `other` (RFC 1982 §3.2).
fn is_newer(one: u32, other: u32) -> bool {
    (one.wrapping_sub(other) as i32) > 0
}

impl Step {
    /// Whether a service's names would hide static records, or be hidden by them: its own, those of its ports and tags,
    /// and the host name of `instance`.
    pub(super) fn check_static_names(
        &self,
        zone: &ZoneName,
        service: &Service,
        instance: Option<&Instance>,
    ) -> Result<(), Rejection> {
        let zone = self.state.zone(zone)?;
        let Some(contents) = &zone.contents else {
            return Ok(());
        };
        match clash(contents, service, instance.into_iter()) {
            Some(clash) => Err(hides(clash.message(service.name.as_str(), zone.name.as_str()))),
            None => Ok(()),
        }
    }
}

impl State {
    /// Attaches what a zone file holds to the zone that was loaded, if it is what was served from it last: that is no
    /// change. Whether it was.
    pub fn attach(&mut self, name: &ZoneName, contents: &Arc<Contents>) -> bool {
        let Some(zone) = self
            .zones
            .get(name)
            .filter(|zone| zone.file == Some(contents.digest()))
        else {
            return false;
        };
        let zone = Zone {
            contents: Some(contents.clone()),
            ..Zone::clone(zone)
        };
        self.zones.insert(name.clone(), Arc::new(zone));
        true
    }

    /// Whether static records would hide a service or be hidden by one, or by another zone.
    fn check_contents(&self, zone: &Zone, contents: &Contents) -> Result<(), Rejection> {
        for service in zone.services.iter() {
            let instances = service.instances.iter().map(|instance| &**instance);
            if let Some(clash) = clash(contents, service, instances) {
                return Err(hides(clash.message(service.name.as_str(), zone.name.as_str())));
            }
        }
        for other in self.zones.keys() {
            if let Some(hidden) = hidden_by_zone(contents, &zone.name, other) {
                return Err(hides(format!(
                    "{hidden} of the zone file is hidden by zone {other}, which is served here too; move it there, or \
                     delegate {other} with NS"
                )));
            }
        }
        Ok(())
    }

    /// Whether something stands where the default name server does: a service called `ns`, or a zone.
    fn check_default_name_server(&self, zone: &Zone) -> Result<(), Rejection> {
        if !zone.has_default_name_server() {
            return Ok(());
        }
        let label = ServiceName::parse(NAME_SERVER_LABEL).expect("it is a label");
        let is_there = |other: &&ZoneName| other.below(&zone.name) == Some(NAME_SERVER_LABEL);
        let taken = match self.zones.keys().find(is_there) {
            Some(other) => format!("zone {other}"),
            None if zone.services.get(&label).is_some() => format!("service {label}"),
            None => return Ok(()),
        };
        Err(hides(format!(
            "{taken} stands where {label}.{} would be the name server, which it is unless the zone file has NS; \
             keep an NS record in the file",
            zone.name
        )))
    }
}

fn hides(message: String) -> Rejection {
    Rejection::Conflict {
        field: None,
        code: "name_taken",
        message,
    }
}

/// The static name of `upper` that zone `lower` hides, if it does. What stands below a delegation is the lower zone's
/// anyway.
pub(super) fn hidden_by_zone(contents: &Contents, upper: &ZoneName, lower: &ZoneName) -> Option<String> {
    let between = lower.below(upper)?;
    let mut name = Vec::new();
    for label in between.split('.') {
        name.push(label.len() as u8);
        name.extend_from_slice(label.as_bytes());
    }
    let mut starts = Vec::new();
    let mut at = 0;
    while at < name.len() {
        starts.push(at);
        at += 1 + usize::from(name[at]);
    }
    // From the top: at a delegation the child zone begins, and what is not there has nothing below.
    for start in starts.into_iter().rev() {
        if contents.node(&name[start..]).is_none_or(|node| node.is_cut()) {
            return None;
        }
    }
    name.push(0);
    Some(format!("{}.{upper}", text(&name)))
}
