"""Sources of images: a folder, or an endpoint that serves an index.

From the bottom: `web` (one bounded request), `copy` (the last good index on disk),
`remembering` (a source answers from its last look), `directory`, `endpoint`, `declared`
(sources as users write them down), `at_once` (all asked at the same time).
"""

from rollproof.adapters.sources.declared import ImageSource, ImageSources, Supplier
from rollproof.adapters.sources.directory import DirectorySource
from rollproof.adapters.sources.endpoint import EndpointSource

__all__ = ["DirectorySource", "EndpointSource", "ImageSource", "ImageSources", "Supplier"]
