"""Laws are judged by what they find, not by how fast a busy machine checks them."""

from hypothesis import settings

settings.register_profile("laws", deadline=None)
settings.load_profile("laws")
