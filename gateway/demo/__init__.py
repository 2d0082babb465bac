"""The demonstration: DWP and two authorities on one machine, every flow, real servers, real keys."""
