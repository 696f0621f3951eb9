"""What a path's extension says: part of a page, a file that people download, or a page."""

STATIC_EXTENSIONS = frozenset(
    """apng avif bmp class css cur eot gif ico jpeg jpg js map mjs otf png svg svgz swf ttf webmanifest webp
    woff woff2 xml""".split()
)
"""Parts of pages; a browser asks for them by itself."""

STATIC_NAMES = frozenset({"robots.txt"})

DOWNLOAD_EXTENSIONS = frozenset(
    """7z aac apk arc arj asc asf asx avi azw3 bin bz bz2 csv deb dmg doc docx epub exe flac flv gz gzip hqx ibooks
    iso jar json md5 mobi mov movie mp2 mp3 mp4 mpeg mpg msi msp odb odf odg odp ods odt ogg ogv pdf phps pkg ppt pptx
    qt qtm ra ram rar rpm rtf sea sha256 sig sit tar tbz tbz2 tgz torrent txt wav webm wma wmv wpd xls xlsx xml xsd xz
    z zip zst""".split()
)
"""Files that people save; the list of Matomo's own importer and tracker, with newer kinds."""


def extension(path: str) -> str:
    """The extension of the path's last segment, in lower case; "" where it has none."""
    name = path[path.rfind("/") + 1 :].partition(";")[0]  # a.css;jsessionid=1
    dot = name.rfind(".")
    return name[dot + 1 :].lower() if dot >= 0 else ""


def is_static(path: str) -> bool:
    """Whether the path is a part of a page or a file for machines."""
    return extension(path) in STATIC_EXTENSIONS or path[path.rfind("/") + 1 :].lower() in STATIC_NAMES
