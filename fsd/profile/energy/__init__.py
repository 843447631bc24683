"""The analytic roofline and energy model of other devices."""
