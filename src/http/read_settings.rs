//! Bodies of settings, of a zone or a service: at the top level or, as a GET shows them, under `settings`.

use crate::catalog::{OnEmpty, ServiceName, ServiceSettings, ZoneName, ZoneSettings};

use super::fields::Fields;
use super::json::Json;
use super::problem::Problem;
use super::read_instance::agree;

const POLICIES: &str = "\"nodata\", \"nxdomain\" or \"all\"";

/// What only a GET shows of a zone.
const SHOWN_OF_ZONE: [&str; 3] = ["name", "serial", "services"];
/// What only a GET shows of a service.
const SHOWN_OF_SERVICE: [&str; 5] = ["name", "instances", "created_at", "index", "guard"];

/// Reads the settings of `zone`.
pub(super) fn zone_settings(body: Json<'_>, zone: &ZoneName) -> Result<ZoneSettings, Problem> {
    let mut outer = Fields::of_body(body)?;
    agree(&mut outer, zone, None, None)?;
    in_either_place(outer, &SHOWN_OF_ZONE, |fields| {
        let common = service_fields(fields)?;
        Ok(ZoneSettings {
            ttl: common.ttl,
            negative_ttl: fields.take("negative_ttl").map(|field| field.ttl()).transpose()?,
            on_empty: common.on_empty,
            answer_limit: common.answer_limit,
            forget_after: common.forget_after,
        })
    })
}

/// Reads the settings of `service`.
pub(super) fn service_settings(
    body: Json<'_>,
    zone: &ZoneName,
    service: &ServiceName,
) -> Result<ServiceSettings, Problem> {
    let mut outer = Fields::of_body(body)?;
    agree(&mut outer, zone, Some(service), None)?;
    in_either_place(outer, &SHOWN_OF_SERVICE, service_fields)
}

/// If `settings` is there, it holds them all: one that is also at the top level is then left over, and refused.
fn in_either_place<T>(
    mut outer: Fields<'_>,
    shown: &[&str],
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let settings = match outer.take("settings") {
        Some(field) => {
            let mut inner = field.object()?;
            let settings = read(&mut inner)?;
            inner.finish()?;
            settings
        }
        None => read(&mut outer)?,
    };
    outer.ignore(shown);
    outer.finish()?;
    Ok(settings)
}

fn service_fields(fields: &mut Fields<'_>) -> Result<ServiceSettings, Problem> {
    Ok(ServiceSettings {
        ttl: fields.take("ttl").map(|field| field.ttl()).transpose()?,
        on_empty: fields
            .take("on_empty")
            .map(|field| field.word(POLICIES, OnEmpty::parse))
            .transpose()?,
        answer_limit: fields.take("answer_limit").map(|field| field.u32()).transpose()?,
        forget_after: fields
            .take("forget_after")
            .map(|field| field.delay())
            .transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(body: &str) -> Result<ZoneSettings, Problem> {
        let zone = ZoneName::parse("svc.internal").expect("a zone");
        zone_settings(Json::read(body.as_bytes())?, &zone)
    }

    fn service(body: &str) -> Result<ServiceSettings, Problem> {
        let (zone, service) = (ZoneName::parse("svc.internal"), ServiceName::parse("web"));
        service_settings(
            Json::read(body.as_bytes())?,
            &zone.expect("a zone"),
            &service.expect("a label"),
        )
    }

    #[test]
    fn settings_stand_at_the_top_level_or_under_settings() {
        let inner = r#"{"ttl":"10s","negative_ttl":2,"on_empty":"all","answer_limit":3,"forget_after":"2h"}"#;
        let top = zone(inner).expect("good settings");
        assert_eq!(top.ttl.map(crate::catalog::Ttl::seconds), Some(10));
        let under =
            format!(r#"{{"name":"x","serial":1,"services":2,"zone":"svc.internal","settings":{inner}}}"#);
        assert_eq!(zone(&under).expect("good settings"), top);
        assert_eq!(zone("{}").expect("no settings"), ZoneSettings::default());
        assert_eq!(
            zone(r#"{"settings":null,"ttl":null}"#).expect("no settings"),
            ZoneSettings::default()
        );
        assert!(
            service(r#"{"zone":"svc.internal","name":"web","settings":{},"instances":[1],"index":1}"#)
                .is_ok()
        );
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (body, named) in [
            (r#"{"settings":{},"ttl":1}"#, "ttl"),
            (r#"{"settings":{"ttl":"x"}}"#, "settings.ttl"),
            (r#"{"settings":{"name":"x"}}"#, "settings.name"),
            (r#"{"settings":[]}"#, "settings"),
            (r#"{"negative_ttl":1}"#, "negative_ttl"),
            (r#"{"answer_limit":-1}"#, "answer_limit"),
            (r#"{"answer_limit":1.0}"#, "answer_limit"),
            (r#"{"on_empty":"none"}"#, "on_empty"),
            (r#"{"forget_after":"721h"}"#, "forget_after"),
            (r#"{"service":"db"}"#, "service"),
            (r#"{"id":"web-1"}"#, "id"),
            (r#"{"TTL":1}"#, "TTL"),
        ] {
            assert_eq!(service(body).expect_err(body).field(), Some(named), "{body}");
        }
        assert_eq!(
            zone(r#"{"zone":"other"}"#).expect_err("another").field(),
            Some("zone")
        );
    }
}
