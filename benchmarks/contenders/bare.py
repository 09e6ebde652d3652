"""Python with nothing imported: what every other start-up is compared with."""

LABEL = "bare Python"
PACKAGES: tuple[str, ...] = ()
NOT_APPLICABLE: dict[str, str] = {}
STARTUP = "pass"
