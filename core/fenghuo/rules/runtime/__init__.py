"""What runs while events and readings come: the engine, its plans, groups and their life, what is told, saved and measured."""
