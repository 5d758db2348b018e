"""The embedded library behind Ominix: registry, downloads, guarded loading and inference workers.

`ominix_core.hub.Hub` is the one facade; everything else is imported where it is used, so that importing this
package costs nothing.
"""

__version__ = "0.1.0"
