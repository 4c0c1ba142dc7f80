//! Short words for what the shapes are made of.

use serde_json::Value;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, AnyOfBuilder, ArrayBuilder, KnownFormat, Object, ObjectBuilder,
    Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

/// A schema, or where it stands.
pub(super) type Shape = RefOr<Schema>;

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    is_needed: bool,
}

/// A field that must be there, or that always is.
pub(super) fn need(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        is_needed: true,
    }
}

/// A field that may be left out.
pub(super) fn may(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        is_needed: false,
    }
}

/// A field of a request that may be left out, or be null, which is the same.
pub(super) fn or_null(name: &'static str, shape: Shape) -> Field {
    may(name, any_of([shape, null()]))
}

/// What a reply shows, and what a request may send back without an effect.
pub(super) fn shown(name: &'static str) -> Field {
    let any = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .read_only(true);
    may(name, plain(any.build()))
}

/// An object of these fields and no others.
pub(super) fn object(fields: impl IntoIterator<Item = Field>) -> Shape {
    plain(
        with_fields(fields)
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .build(),
    )
}

/// An object that has these fields, among others.
pub(super) fn having(fields: impl IntoIterator<Item = Field>) -> Shape {
    plain(with_fields(fields).build())
}

fn with_fields(fields: impl IntoIterator<Item = Field>) -> ObjectBuilder {
    fields.into_iter().fold(ObjectBuilder::new(), |object, field| {
        let object = object.property(field.name, field.shape);
        match field.is_needed {
            true => object.required(field.name),
            false => object,
        }
    })
}

/// An object whose names match `names`, and whose values are `values`.
pub(super) fn map(names: &str, values: Shape, max: Option<usize>) -> Shape {
    let names = Schema::Object(
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(names))
            .build(),
    );
    let map = ObjectBuilder::new()
        .property_names(Some(names))
        .additional_properties(Some(values))
        .max_properties(max);
    plain(map.build())
}

pub(super) fn list(items: Shape, min: Option<usize>, max: Option<usize>) -> Shape {
    let list = ArrayBuilder::new().items(items).min_items(min).max_items(max);
    RefOr::T(Schema::Array(list.build()))
}

pub(super) fn any_of<const N: usize>(shapes: [Shape; N]) -> Shape {
    let any = shapes.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    RefOr::T(Schema::AnyOf(any.build()))
}

pub(super) fn all_of<const N: usize>(shapes: [Shape; N]) -> Shape {
    let all = shapes.into_iter().fold(AllOfBuilder::new(), AllOfBuilder::item);
    RefOr::T(Schema::AllOf(all.build()))
}

pub(super) fn null() -> Shape {
    plain(ObjectBuilder::new().schema_type(Type::Null).build())
}

pub(super) fn boolean() -> Shape {
    plain(ObjectBuilder::new().schema_type(Type::Boolean).build())
}

pub(super) fn text() -> Shape {
    plain(ObjectBuilder::new().schema_type(Type::String).build())
}

/// Text of so many characters. Where octets count, it may be fewer.
pub(super) fn text_of(min: usize, max: usize) -> Shape {
    let text = ObjectBuilder::new().schema_type(Type::String);
    plain(text.min_length(Some(min)).max_length(Some(max)).build())
}

pub(super) fn matching(pattern: impl Into<String>) -> Shape {
    plain(
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(pattern))
            .build(),
    )
}

pub(super) fn matching_of(pattern: impl Into<String>, max: usize) -> Shape {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern));
    plain(text.max_length(Some(max)).build())
}

/// One of these words.
pub(super) fn word<'w>(words: impl IntoIterator<Item = &'w str>) -> Shape {
    let words = words.into_iter().map(Value::from);
    plain(
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(words))
            .build(),
    )
}

pub(super) fn whole(min: u64, max: u64) -> Shape {
    let whole = ObjectBuilder::new().schema_type(Type::Integer);
    plain(whole.minimum(Some(min)).maximum(Some(max)).build())
}

/// A number of seconds, to the millisecond.
pub(super) fn number_of_seconds(min: f64, max: f64, multiple_of: f64) -> Shape {
    let number = ObjectBuilder::new().schema_type(Type::Number);
    plain(
        number
            .minimum(Some(min))
            .maximum(Some(max))
            .multiple_of(Some(multiple_of))
            .build(),
    )
}

pub(super) fn address(format: KnownFormat, but: &str) -> Shape {
    let text = ObjectBuilder::new().schema_type(Type::String);
    plain(
        text.format(Some(SchemaFormat::KnownFormat(format)))
            .pattern(Some(but))
            .build(),
    )
}

pub(super) fn formatted(format: KnownFormat) -> Shape {
    let text = ObjectBuilder::new().schema_type(Type::String);
    plain(text.format(Some(SchemaFormat::KnownFormat(format))).build())
}

/// Text that is JSON of the component of that name.
pub(super) fn text_with(name: &str) -> Shape {
    // The crate has no `contentSchema` (JSON Schema 2020-12, validation §8.5) of its own.
    let what = [("contentSchema", serde_json::json!(named(name)))];
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .content_media_type("application/json")
        .extensions(Some(what.into_iter().collect()));
    plain(text.build())
}

/// The component of that name.
pub(super) fn named(name: &str) -> Shape {
    RefOr::Ref(Ref::from_schema_name(name))
}

fn plain(object: Object) -> Shape {
    RefOr::T(Schema::Object(object))
}
