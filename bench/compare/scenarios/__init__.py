"""The scenarios of ./dev bench, one file each.

Each has add_arguments(parser), most_connections(options) and cases(stage), and may
have DEFAULTS of the common options, ENDPOINTS (those that are measured if none is
named), CONFIG (lines for Sluice's, as SECTION.KEY=VALUE), VARIANTS ({name: lines} of
Sluices with more of them) and counted(options) (as endpoints.sluice takes it).
"""
