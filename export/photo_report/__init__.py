"""What the person whose photos they are reads of a model: what it confuses, what to photograph
next, what it costs on the air.
"""

from export.photo_report.write import write_photo_report
