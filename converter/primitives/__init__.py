"""The NIR primitives: fields, shapes, what they compute in a step."""
