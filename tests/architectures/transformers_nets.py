BUILD = {}
