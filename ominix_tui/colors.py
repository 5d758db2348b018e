"""Colours from elsewhere, made readable on the theme that is on."""

from __future__ import annotations

from textual.color import Color

LEAST_CONTRAST = 3.0
"""What WCAG asks of a graphic, such as the bar beside a model's name."""
_STEP = 0.05


def readable(color: Color, background: Color, least: float = LEAST_CONTRAST) -> Color:
    """The colour, lightened or darkened until it stands out from the background as WCAG's contrast ratio asks."""
    target = Color(255, 255, 255) if contrast(Color(255, 255, 255), background) > 4.5 else Color(0, 0, 0)
    share = 0.0
    while contrast(found := color.blend(target, share, 1.0), background) < least and share < 1:
        share += _STEP
    return found


def contrast(one: Color, other: Color) -> float:
    """WCAG's contrast ratio, from 1 to 21."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (_linear(part) for part in color.normalized)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
