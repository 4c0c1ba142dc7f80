//! Reverse zones follow: the addresses of instances that come and go, and zones that take addresses from each other.

use std::sync::Arc;

use super::super::change::InstanceKey;
use super::super::instance::Instance;
use super::super::name::ZoneName;
use super::super::reverse::{self, Prefix, Reverse};
use super::super::state::Step;
use super::super::zone::Zone;

impl Step {
    /// Brings the reverse zones in line with an instance that was `before` and is `after`, and adds the serials that
    /// it moves to the record that was made last.
    pub(super) fn follow_addresses(
        &mut self,
        key: &InstanceKey,
        before: Option<&Instance>,
        after: Option<&Instance>,
    ) {
        if self.state.reverse.is_empty() {
            return;
        }
        let addresses = |instance: Option<&Instance>| instance.map_or(&[][..], |i| &i.addresses).to_vec();
        let (before, after) = (addresses(before), addresses(after));
        let gone = before.iter().filter(|address| !after.contains(address));
        let come = after.iter().filter(|address| !before.contains(address));
        let mut host = Vec::new();
        let mut moved = Vec::new();
        for (address, points) in gone
            .map(|gone| (*gone, false))
            .chain(come.map(|come| (*come, true)))
        {
            let Some(zone) = self.state.reverse.longest(Prefix::of_address(address)).cloned() else {
                continue;
            };
            if host.is_empty() {
                host = reverse::host(&key.id, &key.service, &key.zone);
            }
            let differs = self
                .zone_mut(&zone)
                .is_some_and(|zone| zone.point(address, &host, points));
            if differs && !moved.contains(&zone) {
                moved.push(zone);
            }
        }
        for zone in moved {
            self.note_serial(Some(zone));
        }
    }

    /// What a new zone has of the addresses of instances, and the zone whose records differ because it had them until
    /// now. Only if no other had them, all instances are looked at.
    pub(super) fn claim_addresses(&mut self, name: &ZoneName) -> (Option<Reverse>, Option<ZoneName>) {
        let Some(mut reverse) = Reverse::of(name) else {
            return (None, None);
        };
        let prefix = reverse.prefix();
        let upper = self.state.reverse.longest(prefix).cloned();
        self.state.reverse.insert(name);
        let Some(upper) = upper else {
            let zones = self.state.reverse.clone();
            let built = zones.build(self.state.zones.values());
            let own = zones.names().zip(built).find(|(zone, _)| *zone == name);
            return (own.map(|(_, reverse)| reverse), None);
        };
        let Some(zone) = self.zone_mut(&upper) else {
            return (Some(reverse), None);
        };
        let Some(taken) = zone.reverse.as_mut().and_then(|upper| upper.take(prefix)) else {
            return (Some(reverse), None);
        };
        let differs = zone.differs_by(&taken);
        reverse.give(taken);
        (Some(reverse), differs.then_some(upper))
    }

    /// Gives the addresses of a zone that is removed to the zone that has them from now on, and returns it if its
    /// records differ.
    pub(super) fn release_addresses(&mut self, removed: &Zone) -> Option<ZoneName> {
        let reverse = removed.reverse.as_ref()?;
        self.state.reverse.remove(&removed.name);
        let upper = self.state.reverse.longest(reverse.prefix()).cloned()?;
        let names = reverse.names()?;
        let zone = self.zone_mut(&upper)?;
        let differs = zone.differs_by(&names);
        zone.reverse.as_mut()?.give(names);
        differs.then_some(upper)
    }

    /// Moves the serial of a zone that the record made last alters beside its own, unless that record moved it.
    pub(super) fn note_serial(&mut self, zone: Option<ZoneName>) {
        let Some(zone) = zone else { return };
        let records = &self.effect.records;
        let is_noted = records
            .last()
            .is_some_and(|record| record.serials.iter().any(|(noted, _)| *noted == zone));
        if is_noted {
            return;
        }
        let serial = self.move_serial(&zone);
        if let (Some(record), Some(serial)) = (self.effect.records.last_mut(), serial) {
            record.serials.push((zone, serial));
        }
    }

    /// Moves the serial of a zone.
    pub(super) fn move_serial(&mut self, zone: &ZoneName) -> Option<u32> {
        let zone = self.zone_mut(zone)?;
        zone.serial = zone.serial.wrapping_add(1);
        Some(zone.serial)
    }

    fn zone_mut(&mut self, name: &ZoneName) -> Option<&mut Zone> {
        self.state.zones.get_mut(name).map(Arc::make_mut)
    }
}
