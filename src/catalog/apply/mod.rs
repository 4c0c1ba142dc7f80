//! What each change does to the state.

mod instance;
mod reverse;
mod service;
mod zone;
mod zone_file;

use super::change::{Change, Precondition, Rejection};
use super::state::{Step, hold};

impl Step {
    pub(super) fn make(&mut self, change: &Change, precondition: &Precondition) -> Result<(), Rejection> {
        match change {
            Change::Open { zones, base } => self.open(zones, base),
            Change::PutZone { zone, settings } => {
                hold(precondition, self.state.zones.get(zone).map(|zone| zone.index))?;
                self.put_zone(zone, settings)
            }
            Change::ZoneFile { zone, contents } => self.zone_file(zone, contents.as_ref()),
            Change::DeleteZone { zone } => {
                hold(precondition, self.state.zones.get(zone).map(|zone| zone.index))?;
                self.delete_zone(zone)
            }
            Change::PutService {
                zone,
                service,
                settings,
            } => {
                let found = self.state.zone(zone)?.services.get(service);
                hold(precondition, found.map(|service| service.index))?;
                self.put_service(zone, service, settings)
            }
            Change::DeleteService { zone, service } => {
                let found = self.state.zone(zone)?.services.get(service);
                hold(precondition, found.map(|service| service.index))?;
                self.delete_service(zone, service)
            }
            Change::Register { key, registration } => {
                self.hold_instance(precondition, key)?;
                self.register(key, registration)
            }
            Change::Deregister { key, absent_is_fine } => {
                self.hold_instance(precondition, key)?;
                self.deregister(key, *absent_is_fine)
            }
            Change::Report {
                key,
                port,
                status,
                output,
            } => {
                self.hold_instance(precondition, key)?;
                self.report(key, port.as_ref(), *status, output.as_ref())
            }
            Change::Drain {
                key,
                draining,
                delete_after,
            } => {
                self.hold_instance(precondition, key)?;
                self.drain(key, *draining, *delete_after)
            }
            Change::Heartbeat { key } => {
                self.hold_instance(precondition, key)?;
                self.heartbeat(key)
            }
            Change::Lapse { key } => self.lapse(key),
            Change::Remove { key, due } => self.remove_due(key, *due),
            Change::Forget { zone, service, names } => self.forget_names(zone, service, names),
        }
    }
}
